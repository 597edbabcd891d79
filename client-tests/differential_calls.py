# SPDX-License-Identifier: BSD-3-Clause
"""What client-tests/differential sends: for each command of which the arguments
depend on each other a sketch of them, so that more than the first check of a
command is met; random calls are drawn from it, and then spoilt now and then.

In a sketch, words in POOLS stand for a value of that pool; a/b is a choice of
words, [x|y] is one of x and y or nothing, (x|y)* up to four times one of them.
Anything else stands for itself.
"""
import random
import re

KEYS = ['s', 'n', 'f', 'e', 'big', 'bin', 'h', 'x', 'none', '', 'dst']
VALUES = ['0', '1', '-1', '2', '10', '9223372036854775807',
          '-9223372036854775807', '-9223372036854775808',
          '9223372036854775808', 'abc', '', '1.5',
          'nan', 'inf', '1e400', ' 1', '1 ', '+1', '01', '-0', '0x10',
          b'\x00\xff', '4294967296', '536870912', '4102444800', '*', 'h', 's']
NUMBERS = ['0', '1', '-1', '2', '-2', '3', '7', '8', '-3', '100', '1000']
POOLS = {
    'K': KEYS,
    'V': VALUES,
    'N': NUMBERS,
    'I': NUMBERS + ['9223372036854775807', '-9223372036854775808',
                    '-9223372036854775807', '9223372036854775806',
                    '4611686018427387904', '9223372036854775808', '1.0'],
    'F': ['0', '1', '-1', '0.1', '-0.1', '3.14', '1e3', '1e-5', '1e17', '1e18',
          '1e22', '1e-17', '1e308', '-1e308', '1e4000', 'inf', '-inf', 'nan',
          '+1', '.5', '5.', '0x1p3', '1e', '', ' 1', '123456789.123456789',
          '9007199254740993', '0.30000000000000004', '-0', '-0.0'],
    'OFFSET': ['0', '1', '-1', '2', '5', '7', '8', '100', '-100', '536870912',
               '9223372036854775807', '-9223372036854775808',
               '4294967295', 'abc', '1.5'],
    'BIT': ['0', '1', '2', '7', '8', '23', '100', '1000', '-1', '4294967296',
            '9223372036854775807', 'abc'],
    'TYPE': ['u1', 'u4', 'u8', 'u16', 'u32', 'u63', 'i1', 'i4', 'i8', 'i16',
             'i32', 'i64', 'i5', 'u7', 'u64', 'i65', 'u0', 'i0', 'i-1', 'i', 'u',
             '8', 'U8', 'I8', 'u08', 'u8x', 'x8', ''],
    'AT': ['0', '1', '4', '7', '8', '#0', '#1', '#2', '#10', '63', '64', '100',
           '-1', '#-1', '#', '#a', 'a', '4294967296', '#4294967296',
           '4294967295x', '#9223372036854775807'],
    'PAST': ['0', '-1', '1', '-9223372036854775808'],
    'TTL': ['1', '100', '1000', '100000', '0', '-1', '-5', 'abc', '1.5', '',
            '9223372036854775807', '-9223372036854775808',
            '9223372036854775', '9223372036854776', '92233720368547758'],
    'WHEN': ['4102444800', '4102444800000', '1', '0', '-1', 'abc',
             '9223372036854775807', '-9223372036854775808'],
    'FIELD': ['f', 'g', 'd', 'i', '', 'none', 'big', b'\x00\xff'],
    'GLOB': ['*', '?', 's*', '[a-f]', '[^s]', '\\', '[', 'b*', '', '*n', 'nil',
             '[z-a]', '[\\]]'],
    'CURSOR': ['0', '0', 'abc', '', '99999999999999999999', '0x0', ' 0'],
    'DB': ['0', '1', '9', '15', '16', '-1', 'abc', '', '4294967296'],
    'CLIENTID': ['0', '-1', '999999', 'abc', '9223372036854775808', ''],
    'ADDR': ['127.0.0.1:1', 'abc', '', '[::1]:0', '1'],
    'KIND': ['normal', 'NORMAL', 'master', 'replica', 'slave', 'pubsub',
             'xyz', ''],
    'NEWUSER': ['ann', 'bob', 'none', 'with space'],
    'USER': ['default', 'ann', 'bob', 'none', '', 'with space'],
    'RULE': ['on', 'off', 'nopass', 'resetpass', 'allkeys', '~*', '~a*',
             '%R~b*', '%W~c', '%RW~d', '%X~e', '%~f', '~', 'resetkeys',
             'allchannels', '&*', '&news', 'resetchannels', '+@all', '-@all',
             'allcommands', 'nocommands', '+get', '-get', '+set', '+GET',
             '+nosuch', '-nosuch', '+@read', '-@read', '+@nosuch',
             '+config|get', '-config|get', '+config|nosuch', '+client|id|x',
             '+select|0', '-select|0', '+get|x', '+', '-', '+@', '>secret',
             '<secret', '<none', '>', '#abc', '!abc', '#' + 'a' * 64,
             '!' + 'a' * 64, '!' + 'b' * 64, '#' + 'A' * 64, 'reset', '(+get ~x)',
             '(+get', '(~x)', 'clearselectors', '()', '(on)', '(reset)', 'xyz',
             '', '+hget', '+@hash', '-@hash', '+@string', '+@slow', '-debug',
             'sanitize-payload', 'skip-sanitize-payload', '+@dangerous'],
    'CATEGORY': ['read', 'string', 'hash', 'nosuch', '', 'KEYSPACE'],
    'COMMANDNAME': ['get', 'set', 'mget', 'GET', 'hset', 'config|get', 'client',
                    'config', 'nosuch', '', 'del', 'eval', 'ping', 'copy',
                    'publish', 'subscribe', 'flushall', 'auth', 'config get'],
    'DIRECTIVE': ['maxmemory', 'maxmemory-policy', 'timeout', 'maxclients',
                  'slowlog-max-len', 'slowlog-log-slower-than', 'nosuch', '',
                  'notify-keyspace-events', 'latency-monitor-threshold', '*',
                  'tcp-keepalive', 'client-output-buffer-limit', 'save',
                  'hash-max-listpack-entries', 'hash-max-ziplist-entries',
                  'list-max-listpack-size', 'proto-max-bulk-len', 'databases',
                  'lfu-log-factor', 'loglevel', 'MAXMEMORY-POLICY', 'hz',
                  'requirepass', 'acllog-max-len', 'lua-time-limit', 'port',
                  'slave-priority', 'set-max-intset-entries', 'dbfilename',
                  'client-query-buffer-limit', 'maxmemory-samples', 'daemonize',
                  'tracking-table-max-keys', 'unixsocketperm', 'io-threads',
                  'min-replicas-to-write', 'lazyfree-lazy-eviction'],
    'SETTING': ['0', '1', '-1', '100', 'yes', 'no', 'abc', '', '100mb', '1gb',
                '1.5gb', 'allkeys-lru', 'ALLKEYS-LRU', 'KEA', 'Kxg', '50%',
                '999999999999999999999', 'notice', 'verbose', '60 1000',
                'normal 0 0 0', 'pubsub 1mb 1mb 60', 'replica 1 2', '200kb',
                'normal 0 0', 'xyz 0 0 0', 'slave 1mb 1mb -1'],
    'CHANNEL': ['news', 'n', '', 'other', b'\x00\xff'],
    'SHA': ['e0e1f9fabfc9d4800c877a703b823ac0578ff8db', 'abc', '',
            'E0E1F9FABFC9D4800C877A703B823AC0578FF8DB', 'f' * 40],
    'SCRIPT': ['return 1', 'return {1,2,{3,"a"}}', 'return nil', 'return',
               'return KEYS[1]', 'return ARGV[1]', 'return #KEYS + #ARGV',
               'return redis.call("get", KEYS[1])', 'return 3.7', 'x',
               'return redis.pcall("nosuch")', 'return redis.call("get")',
               'return redis.call("incr", KEYS[1])', 'error("x")',
               'error({err="MY error"})', 'return {err="MY error"}',
               'return {ok="FINE"}', 'return redis.error_reply("A B")',
               'return redis.status_reply("A B")', 'return true',
               'return false', 'return {1,nil,3}', 'return {double=1.5}',
               'redis.setresp(3) return redis.call("hgetall", KEYS[1])',
               'redis.setresp(3) return {map={a=1}}', 'return {set={a=true}}',
               'return redis.sha1hex(ARGV[1])', 'return redis.call()',
               'return redis.call({})', 'return redis.call("set",KEYS[1],1.5)',
               'return tostring(redis.call("get","s") )', 'return math.huge',
               'return cjson.encode({1,2,3})', 'return bit.band(5,3)',
               'return redis.call("multi")', 'return redis.call("subscribe","a")',
               'return tonumber(ARGV[1])', 'return type(redis.call("ping"))',
               '#!lua\nreturn 1', '#!lua flags=no-writes\nreturn '
               'redis.call("set",KEYS[1],1)', '#!lua flags=nosuch\nreturn 1',
               '#!js\nreturn 1', '#!lua name=x\nreturn 1',
               'redis.log(redis.LOG_WARNING)', 'return redis.replicate_commands()',
               'return redis.set_repl(redis.REPL_ALL)', 'return _G["nosuch"]',
               'nosuch = 1', 'return redis.nosuch()', 'return pairs(redis)',
               'redis.call("select", "x")', 'return redis.acl_check_cmd("get","a")',
               'return {redis.pcall("hset",KEYS[1],"a")}',
               'local t={} for i=1,300 do t[i]=i end return #t'],
    'COUNT': ['0', '1', '2', '3', '-1', '10', 'abc', '', '-2'],
}
EXPIRY = 'EX TTL|PX TTL|EXAT WHEN|PXAT WHEN|PERSIST|KEEPTTL'
SKETCHES = {
    'set': ['K V [NX|XX] [GET] [' + EXPIRY + ']', 'K V (NX|XX|GET|' + EXPIRY
            + ')*'],
    'setex': ['K TTL V'], 'psetex': ['K TTL V'],
    'getex': ['K [' + EXPIRY + ']', 'K (' + EXPIRY + ')*'],
    'setrange': ['K OFFSET V'], 'getrange': ['K OFFSET OFFSET'],
    'substr': ['K OFFSET OFFSET'],
    'incrby': ['K I'], 'decrby': ['K I'], 'incrbyfloat': ['K F'],
    'append': ['K V'], 'mset': ['K V (K V)*'], 'msetnx': ['K V (K V)*'],
    'lcs': ['K K (LEN|IDX|MINMATCHLEN I|WITHMATCHLEN)*', 's bin [IDX]',
            'x n IDX WITHMATCHLEN', 's s (LEN|IDX|WITHMATCHLEN)*'],
    'setbit': ['K BIT 0/1/2/abc'], 'getbit': ['K BIT/4294967295'],
    'bitcount': ['K OFFSET OFFSET [BYTE|BIT|xyz]', 'K N N BIT', 'K N'],
    'bitpos': ['K 0/1/2 [N] [N] [BYTE|BIT|xyz]', 'K 0/1 OFFSET OFFSET BIT'],
    'bitop': ['AND/OR/XOR/NOT/xyz K K (K)*', 'NOT K K'],
    'bitfield': ['K (GET TYPE AT|SET TYPE AT I|INCRBY TYPE AT I|OVERFLOW '
                 'WRAP/SAT/FAIL/xyz)*',
                 'K OVERFLOW SAT/FAIL/WRAP INCRBY u4/i8/u8/i64/u63 #0/3 I '
                 'SET u4/i8/u8/i64/u63 #0/9 I GET u4/i8/i64 0'],
    'bitfield_ro': ['K (GET TYPE AT|SET TYPE AT I)*'],
    'hset': ['K/h FIELD V (FIELD V)*'], 'hmset': ['K/h FIELD V (FIELD V)*'],
    'hsetnx': ['K/h FIELD V'], 'hget': ['K/h FIELD'],
    'hdel': ['K/h FIELD (FIELD)*', 'h f g d i big e'],
    'hmget': ['K/h FIELD (FIELD)*'], 'hexists': ['K/h FIELD'],
    'hstrlen': ['K/h FIELD'], 'hincrby': ['K/h/h FIELD I'],
    'hincrbyfloat': ['K/h/h FIELD F'],
    'hrandfield': ['K/h COUNT [WITHVALUES|xyz]'],
    'hscan': ['K/h CURSOR (MATCH GLOB|COUNT COUNT)*'],
    'scan': ['CURSOR (MATCH GLOB|COUNT COUNT|TYPE string/hash/list/xyz)*'],
    'keys': ['GLOB'],
    'expire': ['K TTL (NX|XX|GT|LT|xyz)*'],
    'pexpire': ['K TTL (NX|XX|GT|LT|xyz)*'],
    'expireat': ['K WHEN/TTL (NX|XX|GT|LT)*'],
    'pexpireat': ['K WHEN/TTL (NX|XX|GT|LT)*'],
    'copy': ['K K (DB DB|REPLACE|xyz)*'], 'move': ['K DB'],
    'rename': ['K K'], 'renamenx': ['K K'], 'del': ['K (K)*'],
    'sort': ['K (BY V|LIMIT I I|GET V|ASC|DESC|ALPHA|STORE K|xyz)*',
             'none (LIMIT N N|DESC)* STORE K'],
    'sort_ro': ['K (BY GLOB|LIMIT I I|GET V|ASC|DESC|ALPHA|STORE K)*'],
    'exists': ['K (K)*'], 'touch': ['K (K)*'], 'unlink': ['K (K)*'],
    'restore': ['K TTL V (REPLACE|ABSTTL|IDLETIME I|FREQ I|xyz)*'],
    'object|encoding': ['K'], 'object|idletime': ['K'], 'object|freq': ['K'],
    'object|refcount': ['none'],
    'memory|usage': ['K (SAMPLES I|xyz)*'],
    'select': ['DB'], 'swapdb': ['DB DB'],
    'flushall': ['[ASYNC|SYNC|xyz]', 'ASYNC SYNC'],
    'flushdb': ['[ASYNC|SYNC|xyz]', 'ASYNC SYNC'],
    'client|list': ['(TYPE KIND|ID CLIENTID CLIENTID|xyz)*'],
    'client|kill': ['ADDR', '(ID CLIENTID|ADDR ADDR|LADDR ADDR|TYPE master|xyz|'
                    'USER USER|SKIPME yes/YES/no|xyz)* ID 999999'],
    'client|setname': ['V', 'a b', 'name', 'a\nb', 'é'],
    'client|reply': ['V', 'ON'], 'client|no-evict': ['on/OFF/xyz'],
    'client|caching': ['YES/no/xyz'], 'client|unblock':
    ['CLIENTID [TIMEOUT|error|xyz]'], 'client|pause': ['I [ALL|write|xyz]'],
    'client|tracking': ['ON/off/xyz (REDIRECT CLIENTID|PREFIX a|PREFIX ab|PREFIX'
                        ' b|BCAST|OPTIN|OPTOUT|NOLOOP)*'],
    'client|trackinginfo': [''], 'client|getredir': [''],
    'client|getname': [''],
    'acl|setuser': ['NEWUSER (RULE)* (RULE)*'], 'acl|getuser': ['USER'],
    'acl|deluser': ['USER (USER)*'], 'acl|cat': ['CATEGORY'],
    'acl|dryrun': ['USER COMMANDNAME (V)*', 'default get/mget/set/hset a (b)*',
                   'default COMMANDNAME'],
    'acl|genpass': ['I'], 'acl|log': ['I/reset/xyz'],
    'auth': ['V', 'USER V', 'V V V'],
    'hello': ['I (AUTH USER V|SETNAME V|xyz)*', '2/3 (SETNAME name|AUTH default x)*'],
    'config|get': ['DIRECTIVE (DIRECTIVE)*'],
    'config|set': ['DIRECTIVE SETTING (DIRECTIVE SETTING)*', 'DIRECTIVE'],
    'command|info': ['COMMANDNAME (COMMANDNAME)*'],
    'command|getkeys': ['COMMANDNAME (V)*', 'set/get/mget/mset/copy/bitop/lcs (V)*',
                        'eval/evalsha_ro/fcall x I (V)*', 'memory usage V',
                        'object encoding/xyz V', 'hset/hmget/del/msetnx (V)*',
                        'bitfield/getex/hrandfield V (V)*'],
    'command|list': ['(FILTERBY MODULE/ACLCAT/PATTERN/xyz V|GLOB|CATEGORY)*'],
    'slowlog|get': ['I'], 'latency|history': ['command/fast-command/xyz'],
    'latency|reset': ['(command|xyz)*'], 'latency|graph': ['command/xyz'],
    'eval': ['SCRIPT I (K)* (V)*', 'SCRIPT 1 K (V)*', 'SCRIPT 2 K K (V)*'],
    'eval_ro': ['SCRIPT 1 K (V)*', 'SCRIPT 0'],
    'evalsha': ['SHA I (K)*'], 'evalsha_ro': ['SHA I (K)*'],
    'script|exists': ['SHA (SHA)*'], 'script|flush': ['[ASYNC|SYNC|xyz]'],
    'fcall': ['V I (K)*'], 'function|list': ['(LIBRARYNAME V|WITHCODE|xyz)*'],
    'function|flush': ['[ASYNC|sync|xyz]'], 'function|restore':
    ['V [FLUSH|APPEND|REPLACE|xyz]'], 'function|delete': ['V'],
    'publish': ['CHANNEL V'], 'spublish': ['CHANNEL V'],
    'subscribe': ['CHANNEL (CHANNEL)*'], 'psubscribe': ['CHANNEL (CHANNEL)*'],
    'ssubscribe': ['CHANNEL (CHANNEL)*'],
    'unsubscribe': ['(CHANNEL)*'], 'punsubscribe': ['(CHANNEL)*'],
    'sunsubscribe': ['(CHANNEL)*'],
    'pubsub|numsub': ['(CHANNEL)*'], 'pubsub|shardnumsub': ['(CHANNEL)*'],
    'pubsub|channels': ['[GLOB]'], 'pubsub|shardchannels': ['[GLOB]'],
    'watch': ['K (K)*'], 'reset': ['', 'V'], 'echo': ['V'], 'ping': ['[V]'],
    'wait': ['0 I', 'abc 0', '-1 0', '0 -1'], 'replicaof': ['NO ONE', 'V V'],
    'lolwut': ['(VERSION I|V)*'],
    'debug': ['sleep 0', 'sleep abc', 'nosuch', 'set-active-expire I', 'error V',
              'digest-value K'],
    'cluster|keyslot': ['V'], 'failover': ['(ABORT|TO a 1|TIMEOUT I|FORCE)*'],
}
TOKEN = re.compile(r'\(.*?\)\*|\[.*?\]|\S+')


def _word(word):
    word = random.choice(word.split('/'))
    return random.choice(POOLS[word]) if word in POOLS else word


def _draw(sketch):
    out = []
    for token in TOKEN.findall(sketch):
        if token.startswith('('):
            choices = token[1:-2].split('|')
            for _ in range(random.choice([0, 0, 1, 1, 2, 3, 4])):
                out += _draw(random.choice(choices))
        elif token.startswith('['):
            if random.random() < 0.7:
                out += _draw(random.choice(token[1:-1].split('|')))
        else:
            out.append(_word(token))
    return out


def _spoil(words, at):
    """One of the arguments from `at` on is changed, left out or doubled."""
    if len(words) <= at:
        return words + ['x']
    i, how = random.randrange(at, len(words)), random.random()
    if how < 0.3:
        words[i] = random.choice(VALUES)
    elif how < 0.5:
        del words[i]
    elif how < 0.65:
        words.insert(i, words[i])
    elif how < 0.8 and isinstance(words[i], str):
        words[i] = words[i].swapcase()
    else:
        j = random.randrange(at, len(words))
        words[i], words[j] = words[j], words[i]
    return words


def sketched(name):
    """A call of this command, or None if there is no sketch of it."""
    if name not in SKETCHES:
        return None
    words = name.split('|')
    call = words + _draw(random.choice(SKETCHES[name]))
    while random.random() < 0.15:
        call = _spoil(call, len(words))
    return call
