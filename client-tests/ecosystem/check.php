<?php
// SPDX-License-Identifier: BSD-3-Clause
// What the PHP scripts share: the server's port, checks, outcomes.

$port = (int)getenv('ASHLAR_PORT');

// Ends the script unless they are the same.
function same($what, $seen, $wanted)
{
    if ($seen === $wanted) {
        return;
    }
    echo "$what: ", var_export($seen, true), ' in place of ',
        var_export($wanted, true), "\n";
    exit(1);
}

// The call throws, with this in the message.
function fails($what, $text, callable $call)
{
    try {
        $call();
    } catch (Exception $e) {
        same("$what: " . $e->getMessage(),
            strpos($e->getMessage(), $text) !== false, true);
        return;
    }
    same($what, 'no exception', 'an exception');
}

// A part that is left out because the server lacks a feature.
function needs($feature, $what)
{
    echo "needs $feature: $what\n";
}

function eventually($what, callable $condition)
{
    for ($i = 0; $i < 250 && !$condition(); $i++) {
        usleep(20000);
    }
    same($what, $condition(), true);
}
