<?php
// SPDX-License-Identifier: BSD-3-Clause
// Predis: a cache as its documentation shows it.

require __DIR__ . '/check.php';
require 'Predis/autoload.php';

echo 'version: ', Predis\Client::VERSION, ' on PHP ', PHP_VERSION, "\n";
$r = new Predis\Client(['port' => $port]);
$r->flushall();

same('ping', (string)$r->ping(), 'PONG');
same('set', (string)$r->set('a', '1', 'EX', 100), 'OK');
same('get', $r->get('a'), '1');
same('ttl', $r->ttl('a') > 90, true);
same('absent', $r->get('absent'), null);
same('set nx', $r->set('a', '2', 'NX'), null);
same('setex', (string)$r->setex('b', 100, 'x'), 'OK');
same('psetex', (string)$r->psetex('soon', 20, 'x'), 'OK');
eventually('expiry', fn() => $r->exists('soon') === 0);

same('mset', (string)$r->mset(['m:1' => 'a', 'm:2' => 'b']), 'OK');
same('mget', $r->mget(['m:1', 'none', 'm:2']), ['a', null, 'b']);
$found = iterator_to_array(
    new Predis\Collection\Iterator\Keyspace($r, 'm:*'), false);
sort($found);
same('scan', $found, ['m:1', 'm:2']);
same('del', $r->del(['m:1', 'm:2', 'none']), 2);
same('incr', [$r->incr('n'), $r->incrby('n', 5), $r->decr('n')], [1, 6, 5]);

$replies = $r->pipeline(function ($p) {
    for ($i = 0; $i < 500; $i++) {
        $p->set("p:$i", $i);
    }
    $p->get('p:499');
});
same('pipeline', [count($replies), $replies[500]], [501, '499']);
$replies = $r->transaction(function ($t) {
    $t->set('t', 1);
    $t->incr('t');
});
same('transaction', $replies[1], 2);
$other = new Predis\Client(['port' => $port]);
fails('watch', 'aborted', function () use ($r, $other) {
    $r->transaction(['watch' => 't', 'cas' => true], function ($t) use ($other) {
        $t->get('t');
        $other->set('t', 'changed');
        $t->multi();
        $t->set('t', 5);
    });
});
same('not set', $r->get('t'), 'changed');

$loop = (new Predis\Client(['port' => $port, 'read_write_timeout' => 10]))
    ->pubSubLoop();
$loop->subscribe('news');
foreach ($loop as $m) {
    if ($m->kind === 'subscribe') {
        same('publish', $r->publish('news', 'hello'), 1);
    } elseif ($m->kind === 'message') {
        same('message', $m->payload, 'hello');
        $loop->unsubscribe();
    }
}

$r->set('text', 'x');
fails('wrong type', 'not an integer', fn() => $r->incr('text'));
same('info', $r->info()['Server']['redis_version'], '7.0.15');
if ($r->executeRaw(['COMMAND', 'INFO', 'EVAL'])[0]) {
    same('eval', $r->eval('return ARGV[1]', 0, 'x'), 'x');
} else {
    needs('scripts', "Predis's eval and script commands");
}
echo "done\n";
