#!/usr/bin/perl
# SPDX-License-Identifier: BSD-3-Clause
# Redis.pm (libredis-perl): a cache as its documentation shows it.
use strict;
use warnings;
use Redis;

sub same {
    my ($what, $seen, $wanted) = @_;
    my ($s, $w) = map { join ',', map { $_ // 'undef' } ref ? @$_ : $_ }
        $seen, $wanted;
    return if $s eq $w;
    print "$what: $s in place of $w\n";
    exit 1;
}

sub fails {
    my ($what, $text, $call) = @_;
    eval { $call->(); 1 } and same($what, 'no error', 'an error');
    same("$what: $@", index($@, $text) >= 0 ? 1 : 0, 1);
}

print "version: $Redis::VERSION on Perl $^V\n";
my $server = "127.0.0.1:$ENV{ASHLAR_PORT}";
my $r = Redis->new(server => $server);
my $other = Redis->new(server => $server);
$r->flushall;

same('ping', $r->ping, 'PONG');
same('set', $r->set(a => '1', 'EX', 100), 'OK');
same('get', $r->get('a'), '1');
same('ttl', $r->ttl('a') > 90 ? 1 : 0, 1);
same('absent', $r->get('absent'), undef);
same('set nx', $r->set(a => '2', 'NX'), undef);
same('setex', $r->setex('b', 100, 'x'), 'OK');
$r->psetex('soon', 20, 'x');
for (1 .. 250) { last unless $r->exists('soon'); select undef, undef, undef, .02 }
same('expiry', $r->exists('soon'), 0);

same('mset', $r->mset('m:1' => 'a', 'm:2' => 'b'), 'OK');
same('mget', [$r->mget('m:1', 'none', 'm:2')], ['a', undef, 'b']);
same('keys', [sort $r->keys('m:*')], ['m:1', 'm:2']);
my ($cursor, @found) = (0);
do {
    my $keys;
    ($cursor, $keys) = $r->scan($cursor, MATCH => 'm:*');
    push @found, @$keys;
} while ($cursor ne '0');
same('scan', [sort @found], ['m:1', 'm:2']);
same('del', $r->del('m:1', 'm:2', 'none'), 2);
same('incr', [$r->incr('n'), $r->incrby('n', 5), $r->decr('n')], [1, 6, 5]);

my $answers = 0;
$r->set("p:$_" => $_, sub { $answers++ if $_[0] eq 'OK' }) for 1 .. 500;
$r->wait_all_responses;
same('pipeline', $answers, 500);
$r->multi;
$r->set(t => 1);
$r->incr('t');
same('multi', [$r->exec], ['OK', 2]);
$r->watch('t');
$other->set(t => 9);
$r->multi;
$r->set(t => 1);
same('watch', scalar(my @none = grep { defined } $r->exec), 0);
same('not set', $r->get('t'), '9');

my @heard;
my $sub = Redis->new(server => $server);
$sub->subscribe('news', sub { @heard = @_[0, 1] });
same('publish', $other->publish('news', 'hello'), 1);
$sub->wait_for_messages(10);
same('message', \@heard, ['hello', 'news']);

$r->set(text => 'x');
fails('wrong type', 'not an integer', sub { $r->incr('text') });
fails('unknown', 'unknown command', sub { $r->nosuch });
same('info', $r->info->{redis_version}, '7.0.15');
same('select', $r->select(1), 'OK');
same('dbsize', $r->dbsize, 0);
if ($r->command('INFO', 'EVAL')) {
    my ($row) = $r->command('INFO', 'EVAL');
    if (ref $row) {
        same('eval', $r->eval('return ARGV[1]', 0, 'x'), 'x');
    } else {
        print "needs scripts: Redis.pm's eval and evalsha\n";
    }
}
$r->quit;
