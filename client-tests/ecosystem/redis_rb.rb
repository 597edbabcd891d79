#!/usr/bin/ruby
# SPDX-License-Identifier: BSD-3-Clause
# redis-rb (ruby-redis): a cache as its documentation shows it.
require 'redis'

def same(what, seen, wanted)
  return if seen == wanted

  puts "#{what}: #{seen.inspect} in place of #{wanted.inspect}"
  exit 1
end

def fails(what, error, text)
  yield
  same(what, 'no error', error)
rescue error => e
  same("#{what}: #{e.message}", e.message.include?(text), true)
end

puts "version: #{Redis::VERSION} on Ruby #{RUBY_VERSION}"
port = ENV['ASHLAR_PORT'].to_i
r = Redis.new(port: port)
other = Redis.new(url: "redis://127.0.0.1:#{port}/0")
r.flushall

same('ping', r.ping, 'PONG')
same('set', r.set('a', '1', ex: 100), 'OK')
same('get', r.get('a'), '1')
same('ttl', r.ttl('a') > 90, true)
same('absent', r.get('absent'), nil)
same('set nx', r.set('a', '2', nx: true), false)
same('getex', r.getex('a', persist: true), '1')
same('getdel', r.getdel('a'), '1')
r.psetex('soon', 20, 'x')
250.times { r.exists?('soon') ? sleep(0.02) : break }
same('expiry', r.exists?('soon'), false)

same('mset', r.mset('m:1', 'a', 'm:2', 'b'), 'OK')
same('mget', r.mget('m:1', 'none', 'm:2'), ['a', nil, 'b'])
same('mapped_mget', r.mapped_mget('m:1'), { 'm:1' => 'a' })
same('scan', r.scan_each(match: 'm:*').to_a.sort, ['m:1', 'm:2'])
same('del', r.del('m:1', 'm:2', 'none'), 2)
same('incr', [r.incr('n'), r.incrby('n', 5), r.decr('n')], [1, 6, 5])
same('incrbyfloat', r.incrbyfloat('f', 1.5), 1.5)

same('pipelined', r.pipelined { |p| 500.times { |i| p.set("p:#{i}", i) } },
     ['OK'] * 500)
same('multi', r.multi { |t| t.set('t', 1); t.incr('t') }, ['OK', 2])
seen = r.watch('t') do
  other.set('t', 9)
  r.multi { |t| t.set('t', 1) }
end
same('watch', seen, nil)
same('not set', r.get('t'), '9')

heard = nil
Redis.new(port: port, timeout: 10).subscribe('news') do |on|
  on.subscribe { |_, _| same('publish', other.publish('news', 'hello'), 1) }
  on.message do |channel, message|
    heard = [channel, message]
    Thread.current[:done] = true
    raise StopIteration
  end
end rescue StopIteration
same('message', heard, %w[news hello])

r.set('text', 'x')
fails('wrong type', Redis::CommandError, 'not an integer') { r.incr('text') }
fails('unknown', Redis::CommandError, 'unknown command') { r.call('NOSUCH') }
same('info', r.info['redis_version'], '7.0.15')
same('config', r.config(:get, 'maxclients'), { 'maxclients' => '10000' })
if r.call('COMMAND', 'INFO', 'EVAL')[0]
  same('eval', r.eval('return ARGV[1]', [], ['x']), 'x')
else
  puts "needs scripts: redis-rb's eval and evalsha"
end
if r.call('COMMAND', 'INFO', 'HSET')[0]
  r.mapped_hmset('h', { 'a' => '1' })
  same('hash', r.hgetall('h'), { 'a' => '1' })
else
  puts "needs hashes: redis-rb's hset, hgetall"
end
