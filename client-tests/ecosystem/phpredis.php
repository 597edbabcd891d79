<?php
// SPDX-License-Identifier: BSD-3-Clause
// php-redis (the extension): a cache, and PHP's sessions.

require __DIR__ . '/check.php';
ob_start(); // sessions want nothing printed before them

echo 'version: ', phpversion('redis'), ' on PHP ', PHP_VERSION, "\n";
$r = new Redis();
$r->connect('127.0.0.1', $port);
$r->flushAll();

// values and lifetimes
same('ping', $r->ping(), true);
same('set', $r->set('a', '1', ['ex' => 100]), true);
same('get', $r->get('a'), '1');
same('ttl', $r->ttl('a') > 90, true);
same('absent', $r->get('absent'), false);
same('set nx', $r->set('a', '2', ['nx']), false);
same('setex', $r->setex('b', 100, 'x'), true);
same('psetex', $r->psetex('soon', 20, 'x'), true);
eventually('expiry', fn() => $r->exists('soon') === 0);
same('getSet', $r->getSet('b', 'y'), 'x');
same('setnx', $r->setnx('b', 'z'), false);
same('expire', $r->expire('b', 10), true);
same('persist', $r->persist('b'), true);
same('append', $r->append('b', 'zz'), 3);
same('getRange', $r->getRange('b', 0, 1), 'yz');

// several keys
same('mset', $r->mset(['m:1' => 'a', 'm:2' => 'b']), true);
same('mget', $r->mget(['m:1', 'none', 'm:2']), ['a', false, 'b']);
$it = null;
$r->setOption(Redis::OPT_SCAN, Redis::SCAN_RETRY);
$found = [];
while ($keys = $r->scan($it, 'm:*')) {
    $found = array_merge($found, $keys);
}
sort($found);
same('scan', $found, ['m:1', 'm:2']);
same('del', $r->del(['m:1', 'm:2', 'none']), 2);
same('unlink', $r->unlink('b'), 1);

// counters
same('incr', [$r->incr('n'), $r->incrBy('n', 5), $r->decr('n')], [1, 6, 5]);
same('incrByFloat', $r->incrByFloat('f', 1.5), 1.5);

// pipeline, transaction
same('pipeline', $r->pipeline()->set('p', 1)->incr('p')->get('p')->exec(),
    [true, 2, '2']);
same('multi', $r->multi()->set('t', 1)->incr('t')->exec(), [true, 2]);
$other = new Redis();
$other->connect('127.0.0.1', $port);
$r->watch('t');
$other->set('t', 9);
same('watch', $r->multi()->set('t', 1)->exec(), false);
same('discard', $r->multi()->set('t', 1)->discard(), true);

// serializer and prefix, as frameworks set them
$r->setOption(Redis::OPT_SERIALIZER, Redis::SERIALIZER_PHP);
$r->setOption(Redis::OPT_PREFIX, 'app:');
same('set object', $r->set('o', ['x' => [1, 2.5, null]]), true);
same('get object', $r->get('o'), ['x' => [1, 2.5, null]]);
$r->setOption(Redis::OPT_SERIALIZER, Redis::SERIALIZER_NONE);
$r->setOption(Redis::OPT_PREFIX, '');
same('prefix', $r->exists('app:o'), 1);

// publish and subscribe: a child speaks until it is heard
$pid = pcntl_fork();
if ($pid === 0) {
    $child = new Redis();
    $child->connect('127.0.0.1', $port);
    for ($i = 0; $i < 500 && $child->publish('news', 'hello') === 0; $i++) {
        usleep(10000);
    }
    posix_kill(getmypid(), SIGKILL);
}
$listener = new Redis();
$listener->connect('127.0.0.1', $port, 0, null, 0, 10);
try {
    $listener->subscribe(['news'], function ($redis, $channel, $message) {
        same('message', [$channel, $message], ['news', 'hello']);
        $redis->close();
    });
} catch (RedisException $e) {
    // closing within the callback ends the subscription so
}
pcntl_waitpid($pid, $status);

// errors, and what monitoring asks
$r->set('text', 'x');
same('wrong type', $r->incr('text'), false);
// phpredis leaves a NUL at the end of its text, with any server
same('error', rtrim($r->getLastError(), "\0"),
    'ERR value is not an integer or out of range');
same('info', $r->info()['redis_version'], '7.0.15');
same('config', $r->config('GET', 'maxclients'), ['maxclients' => '10000']);
same('dbSize', $r->dbSize() > 0, true);
same('select', $r->select(1), true);
same('other database', $r->dbSize(), 0);
$r->select(0);

// PHP's sessions
ini_set('session.save_handler', 'redis');
ini_set('session.save_path', "tcp://127.0.0.1:$port?prefix=SESS:");
ini_set('session.use_cookies', '0');
ini_set('session.cache_limiter', '');
session_id('ecosystem');
session_start();
$_SESSION['user'] = 'ann';
session_write_close();
same('stored session', $other->get('SESS:ecosystem'), 'user|s:3:"ann";');
$_SESSION = [];
session_id('ecosystem');
session_start();
same('session', $_SESSION, ['user' => 'ann']);
session_destroy();
same('destroyed', $other->exists('SESS:ecosystem'), 0);

if ($r->rawCommand('COMMAND', 'INFO', 'EVAL')[0]) {
    $script = 'return redis.call("get", KEYS[1])';
    same('eval', $r->eval($script, ['text'], 1), 'x');
    $sha = $r->script('load', $script);
    same('evalSha', $r->evalSha($sha, ['text'], 1), 'x');
    same('script', $r->script('exists', $sha, 'none'), [1, 0]);
    // a session that one request has is not given to another
    ini_set('redis.session.locking_enabled', '1');
    ini_set('redis.session.lock_retries', '2');
    ini_set('redis.session.lock_wait_time', '1000');
    session_id('locked');
    session_start();
    $_SESSION['n'] = 1;
    same('lock', $other->exists('SESS:locked_LOCK'), 1);
    $holder = $other->get('SESS:locked_LOCK');
    session_write_close();
    same('unlocked', $other->exists('SESS:locked_LOCK'), 0);
    $other->set('SESS:locked_LOCK', 'somebody');
    @session_start(); // says that it has no lock, and writes nothing
    $_SESSION['n'] = 2;
    @session_write_close();
    same('not stolen', $other->get('SESS:locked_LOCK'), 'somebody');
    $other->del('SESS:locked_LOCK');
    session_start();
    same('kept', [$_SESSION, $holder !== ''], [['n' => 1], true]);
    session_destroy();
    same('lock gone', $other->exists('SESS:locked_LOCK'), 0);
} else {
    needs('scripts', "phpredis's eval, and session locking");
}
if ($r->rawCommand('COMMAND', 'INFO', 'HSET')[0]) {
    $r->hMSet('h', ['a' => '1']);
    same('hash', $r->hGetAll('h'), ['a' => '1']);
} else {
    needs('hashes', "phpredis's hSet, hGetAll");
}
echo "done\n";
