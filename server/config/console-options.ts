/** Options of serial consoles. */
import {
  flag,
  integer,
  networks,
  oneOf,
  option,
  optionalAddress,
  optionalText,
  portRange,
  url,
} from './kinds.ts'

export const consoleOptions = {
  'console.keep_alive_ms': option(
    integer(200, 20_000),
    2000,
    'how often a BMC is asked whether its serial line still is ours, milliseconds',
  ),
  'console.when_taken': option(
    oneOf('retake', 'yield'),
    'retake',
    'what to do when another program has taken a serial line: take it back, or report it and wait',
  ),
  'console.off_linger_seconds': option(
    integer(0, 3600),
    15,
    'how long a console that was switched off keeps its line, for who switches it on again, seconds',
  ),
  'console.settle_ms': option(
    integer(0, 60_000),
    500,
    'for how long what a line still brings is shown to nobody when its node has changed hands, milliseconds',
  ),
  'console.scrollback_kb': option(integer(0, 16_384), 64, 'what a watcher sees first of the past, KiB'),
  'console.watcher_buffer_kb': option(
    integer(64, 65_536),
    1024,
    'what is kept in memory for a watcher that does not keep up, KiB; the rest it gets from the journal',
  ),
  'console.watcher_buffers_mb': option(
    integer(1, 65_536),
    256,
    'what is kept so for all watchers of this process together, MiB; beyond it each is given one piece at a time',
  ),
  'console.max_watchers': option(integer(1, 10_000), 200, 'watchers of one console at most'),
  'console.max_watchers_per_project': option(
    integer(1, 10_000),
    1000,
    'watchers of one project at most, by WebSocket and ssh, in this process',
  ),
  'console.max_ssh_per_project': option(
    integer(1, 2000),
    500,
    'connections of one project to the SSH door at most, of 2,000 for all',
  ),
  'console.ticket_seconds': option(integer(1, 3600), 30, 'how long a ticket to a console is good, seconds'),
  'console.former_tenants_read': option(
    flag,
    false,
    'who had a node may go on reading what its console showed in that time',
  ),
  'console.journal_mb_per_node': option(integer(2, 1_048_576), 64, 'journal of one console at most, MiB'),
  'console.journal_mb': option(integer(16, 1_073_741_824), 16_384, 'journals of all consoles at most, MiB'),
  'console.journal_days': option(integer(1, 36_500), 30, 'how long a journal is kept, days'),
  'console.internal_url': option(
    url,
    undefined,
    'where other conductors reach this API; http:// and the listening address when left out',
  ),
  'console.ssh_listen': option(
    optionalAddress,
    undefined,
    'address of the SSH door; when left out none, with --demo 127.0.0.1:2222 or, if taken, any port',
  ),
  'console.tcp_listen': option(
    optionalText,
    undefined,
    'address of unauthenticated TCP doors, one a console, for Nova’s serial proxy; none when left out',
  ),
  'console.tcp_ports': option(portRange, { first: 10_000, last: 10_999 }, 'ports of those doors'),
  'console.tcp_sources': option(
    networks,
    ['127.0.0.1', '::1'],
    'who may connect to those doors: addresses and networks, with commas between; this host’s own only if listed singly',
  ),
} as const
