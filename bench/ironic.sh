#!/usr/bin/env bash
# Debian's Ironic on loopback, to be measured beside Leasehold. Used by `npm run bench -- --against-ironic`.
#   ironic.sh install                    its packages, by apt; starts no service (root)
#   ironic.sh start DIR API_PORT RPC_PORT  MariaDB, one conductor and the API (uWSGI, 2 workers), all files in DIR
#   ironic.sh copy DIR FROM TO           adds the nodes leasehold-bench-seed-FROM to TO-1 as copies of those below FROM,
#                                        in SQL: its API takes minutes for what this takes a second for
#   ironic.sh stop DIR                   ends them by the pids in DIR
# Set for Ironic's benefit: no authentication (so no policy either), connections without uWSGI's Content-Length removal,
# and no power sync, which at 10,000 nodes would take a core for more than half of the time.
set -euo pipefail
export PATH=/usr/sbin:/usr/bin:/sbin:/bin:$PATH   # Debian's Python, whatever else is installed
unset PYTHONPATH PYTHONDONTWRITEBYTECODE
me=$(id -un)

install_packages() {
  local policy=/usr/sbin/policy-rc.d made=
  if [ ! -e "$policy" ]; then printf '#!/bin/sh\nexit 101\n' >"$policy"; chmod 755 "$policy"; made=1; fi
  printf 'ironic-common ironic/%s boolean false\n' configure_db configure_ksat configure_rabbit | debconf-set-selections
  echo 'ironic-api ironic/register-endpoint boolean false' | debconf-set-selections
  apt-get update -q
  DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends ironic-api ironic-conductor mariadb-server curl
  if [ -n "$made" ]; then rm -f "$policy"; fi
}

# launch NAME COMMAND...: in a session of its own, pid in DIR/NAME.pid, output in DIR/NAME.out
launch() {
  local name=$1; shift
  setsid "$@" >"$dir/$name.out" 2>&1 </dev/null &
  echo $! >"$dir/$name.pid"
}

# wait_for SECONDS COMMAND...
wait_for() {
  local left=$(($1 * 10)); shift
  until "$@" >/dev/null 2>&1; do
    left=$((left - 1))
    if [ "$left" -le 0 ]; then echo "ironic.sh: timed out: $*" >&2; tail -qn 3 "$dir"/*.log "$dir"/*.out >&2 || true; exit 1; fi
    sleep 0.1
  done
}

start_all() {
  local api=$1 rpc=$2 socket=$dir/db.sock kind
  mkdir -p "$dir"/{state,tmp,lock,http,tftp/master,images/master}
  mariadb-install-db --no-defaults --user="$me" --datadir="$dir/db" --auth-root-authentication-method=socket >"$dir/db-install.out" 2>&1
  launch db mariadbd --no-defaults --user="$me" --datadir="$dir/db" --socket="$socket" --skip-networking --character-set-server=utf8mb4
  wait_for 60 mariadb-admin --no-defaults -S "$socket" -u "$me" ping
  mariadb --no-defaults -S "$socket" -u "$me" -e "CREATE DATABASE ironic CHARACTER SET utf8mb4;
    CREATE USER ironic@localhost IDENTIFIED BY 'ironic'; GRANT ALL ON ironic.* TO ironic@localhost"

  { cat <<CONF
[DEFAULT]
auth_strategy = noauth
rpc_transport = json-rpc
host = localhost
state_path = $dir/state
tempdir = $dir/tmp
enabled_hardware_types = fake-hardware
enabled_network_interfaces = noop
default_network_interface = noop
enabled_storage_interfaces = fake,noop
CONF
    for kind in bios boot console deploy inspect management power raid rescue vendor; do
      echo "enabled_${kind}_interfaces = fake"
    done
    cat <<CONF
[conductor]
sync_power_state_interval = 0
[database]
connection = mysql+pymysql://ironic:ironic@localhost/ironic?unix_socket=$socket&charset=utf8mb4
[json_rpc]
auth_strategy = noauth
host_ip = 127.0.0.1
port = $rpc
[oslo_concurrency]
lock_path = $dir/lock
[oslo_messaging_notifications]
driver = noop
[oslo_policy]
policy_dirs = /etc/ironic/policy.d
[deploy]
http_root = $dir/http
[pxe]
tftp_root = $dir/tftp
tftp_master_path = $dir/tftp/master
images_path = $dir/images
instance_master_path = $dir/images/master
CONF
  } >"$dir/ironic.conf"
  sed -e '/^rem-header/d; /^uid/d; /^gid/d' -e "s|^chdir.*|chdir = $dir|; s|^logto.*|logto = $dir/uwsgi.log|; s|^processes.*|processes = 2|" \
    /etc/ironic/ironic-api-uwsgi.ini >"$dir/api.ini"

  ironic-dbsync --config-file "$dir/ironic.conf" create_schema >"$dir/dbsync.out" 2>&1
  launch conductor ironic-conductor --config-file "$dir/ironic.conf" --log-file "$dir/conductor.log"
  launch api uwsgi_python3 --http-socket "127.0.0.1:$api" --ini "$dir/api.ini" --pyargv "--config-file=$dir/ironic.conf --log-file=$dir/api.log"
  wait_for 60 curl -fs -m 5 "http://127.0.0.1:$api/v1/nodes"
  # A node can be made only once the conductor is registered.
  wait_for 90 curl -fs -m 10 -H 'X-OpenStack-Ironic-API-Version: 1.82' -H 'Content-Type: application/json' \
    -d '{"driver":"fake-hardware","name":"first"}' "http://127.0.0.1:$api/v1/nodes"
  curl -fs -m 10 -X DELETE "http://127.0.0.1:$api/v1/nodes/first" -H 'X-OpenStack-Ironic-API-Version: 1.82'
}

copy_nodes() {
  local from=$1 to=$2 own="'id','uuid','name','owner'" columns copied
  sql() { mariadb --no-defaults -S "$dir/db.sock" -u "$me" -N ironic -e "$1"; }
  columns=$(sql "SELECT GROUP_CONCAT(CONCAT('\`', column_name, '\`')) FROM information_schema.columns
    WHERE table_schema = 'ironic' AND table_name = 'nodes' AND column_name NOT IN ($own)")
  copied=${columns//,/,n.}
  sql "INSERT INTO nodes (uuid, name, owner, $columns)
    SELECT UUID(), CONCAT('leasehold-bench-seed-', seq), CONCAT('project', LPAD(seq MOD 100, 25, '0')), n.$copied
    FROM seq_${from}_to_$((to - 1)) JOIN nodes n ON n.name = CONCAT('leasehold-bench-seed-', seq MOD $from);
    ANALYZE TABLE nodes"
}

stop_all() {
  local name pid left
  for name in api conductor db; do
    [ -s "$dir/$name.pid" ] || continue
    pid=$(cat "$dir/$name.pid"); left=200
    kill -TERM "$pid" 2>/dev/null || true
    while kill -0 "$pid" 2>/dev/null && [ "$left" -gt 0 ]; do left=$((left - 1)); sleep 0.1; done
    kill -KILL "$pid" 2>/dev/null || true
    rm -f "$dir/$name.pid"
  done
}

command=${1:-}; dir=${2:-}
case $command in
  install) install_packages ;;
  start) start_all "$3" "$4" ;;
  copy) copy_nodes "$3" "$4" ;;
  stop) stop_all ;;
  *) sed -n '2,7p' "$0" >&2; exit 2 ;;
esac
