# shellcheck shell=bash
# What every rig script shares: messages, the cache, and running things inside the build root.
# Sourced, never run.
#
# A "step" is one slow piece of work with a stamp file in the cache. The stamp holds what the step
# was made from; while that is unchanged the step is skipped, and a step that was interrupted has no
# stamp and is simply made again.

set -euo pipefail

SRC=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck disable=SC2034
RIG=$SRC/rig
BUILD=$SRC/build
CACHE=${FERROMAP_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/ferromap}
ROOT=$CACHE/root
# shellcheck disable=SC2034  # the scripts that source this file use it
STAMPS=$CACHE/stamps

# What people install; other programs in build/bin are tests.
# shellcheck disable=SC2034  # the scripts that source this file use it
TOOLS=(pkt-gen bridge lb nmreplay vale-ctl ferromap xdp)

# What a kernel says in whose messages something is wrong, whatever the level: a regular expression.
# shellcheck disable=SC2034  # as above
TROUBLE='BUG:|WARNING|UBSAN|Oops|refcount|unregister_netdevice: waiting|INFO: task|rcu:.*stall'
TROUBLE+='|Call Trace'

say() { printf '==> %s\n' "$*" >&2; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

# What the head of the script says, for those that have no options.
about() { sed -n '2,/^[^#]/ s/^# \{0,1\}//p' "$0"; }

# ^C ends the script, also where a command took it for itself and ended as if nothing had happened.
trap 'exit 130' INT

need_root() {
    [ "$(id -u)" = 0 ] ||
        die "this needs root, to make the build root and enter it: run the same with sudo"
}

# watched LOG TITLE IN-VAIN COMMAND... : runs COMMAND with its output in LOG. If it fails, the
# last lines of that are shown, and the script ends with the words IN-VAIN. ^C ends it with
# everything it started. Never to be called in a condition: there bash goes on after a command
# that fails, in COMMAND too.
watched() {
    local log=$1 title=$2 in_vain=$3 start=$SECONDS pid
    shift 3
    mkdir -p "${log%/*}"
    printf '==> %s ' "$title" >&2
    # Job control gives it a process group, by which all of it can be ended.
    set -m
    ( "$@" ) >"$log" 2>&1 </dev/null &
    pid=$!
    set +m
    trap 'kill -KILL -- -'"$pid"' 2>/dev/null || true; exit 130' INT TERM HUP
    while kill -0 "$pid" 2>/dev/null; do
        sleep 0.5
        if [ $(((SECONDS - start) % 5)) = 4 ]; then
            printf '.' >&2
            sleep 0.6
        fi
    done
    trap - TERM HUP
    trap 'exit 130' INT
    if wait "$pid"; then
        printf ' done in %d s\n' $((SECONDS - start)) >&2
    else
        printf ' failed after %d s. The last lines of %s:\n' $((SECONDS - start)) "$log" >&2
        tail -n 30 "$log" >&2
        die "$in_vain"
    fi
}

# hold FD HOW OTHERS : locks what FD is, --shared or --exclusive. If it must wait it says for whom.
hold() {
    flock -n "$2" "$1" || { say "Waiting for $3"; flock "$2" "$1"; }
}

# step NAME WHAT-IT-DEPENDS-ON TITLE COMMAND... : runs COMMAND, watched, unless the stamp says it is
# done. It has the cache to itself: no other step runs, and nothing is in the build root, whose
# files and mounts it may remove. Where another step did the same there is no need to wait for that.
step() {
    # in_root looks for the first of these.
    local filling=$1 key=$2 title=$3 lock stamp=$STAMPS/$1
    shift 3
    mkdir -p "$STAMPS"
    [ "$(cat "$stamp" 2>/dev/null)" != "$key" ] || return 0
    exec {lock}>"$CACHE/lock"
    hold "$lock" --shared "another run that fills the cache"
    if [ "$(cat "$stamp" 2>/dev/null)" != "$key" ]; then
        hold "$lock" --exclusive "other runs that use the cache, before it is changed: $title"
    fi
    if [ "$(cat "$stamp" 2>/dev/null)" = "$key" ]; then
        exec {lock}>&-
        return 0
    fi
    rm -f "$stamp"
    watched "$CACHE/log/$filling.log" "$title" \
        "step '$filling' failed; mend the cause and run the same again: it goes on from here" \
        "$@" {lock}>&-
    printf '%s' "$key" >"$stamp"
    exec {lock}>&-
}

# in_root COMMAND... : runs COMMAND inside the build root, in a mount and process namespace of its
# own, so that nothing stays behind however this script ends. The checkout is at /src, the cache at
# /cache, and the directory that WITH names, if any, at /host. What cargo builds stays in the
# checkout: every checkout is /src to it, so that two with one target directory would take each
# other's work for their own. Until it has ended no step changes the cache, be it another
# checkout's, unless it is part of that step.
in_root() {
    local using code=0
    if [ -n "${filling:-}" ]; then
        enter "$@"
        return
    fi
    mkdir -p "$CACHE"
    exec {using}>"$CACHE/lock"
    hold "$using" --shared "another run that fills the cache"
    enter "$@" || code=$?
    exec {using}>&-
    return "$code"
}

enter() {
    mkdir -p "$CACHE/cargo" "$ROOT/src" "$ROOT/cache" "$ROOT/host" "$BUILD"
    # shellcheck disable=SC2016  # expanded by the inner shell
    setpriv --pdeathsig KILL unshare --mount --pid --fork --kill-child -- bash -euc '
        root=$1 src=$2 cache=$3 with=$4; shift 4
        mount --make-rprivate /
        mount -t proc proc "$root/proc"
        mount --rbind /dev "$root/dev"
        mount --bind "$src" "$root/src"
        mount --bind "$cache" "$root/cache"
        # Of its own: programs name files there by process numbers, which are from 1 on in here.
        mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
        [ -z "$with" ] || mount --bind "$with" "$root/host"
        # Behind a company proxy the host knows certificates that Debian does not.
        file=/etc/ssl/certs/ca-certificates.crt
        if [ -f "$file" ] && [ -f "$root$file" ]; then
            mount --bind "$file" "$root$file"
        fi
        for file in /etc/resolv.conf /etc/hosts; do
            [ ! -f "$file" ] || { touch "$root$file"; mount --bind "$file" "$root$file"; }
        done
        pass=()
        for v in http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY CI; do
            [ -z "${!v:-}" ] || pass+=("$v=${!v}")
        done
        # The first process of a namespace does not die of signals it has no handler
        # for; timeout has.
        exec chroot "$root" /usr/bin/env -i "${pass[@]}" HOME=/root LANG=C.UTF-8 \
            TERM="${TERM:-dumb}" PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
            CARGO_HOME=/cache/cargo CARGO_TARGET_DIR=/src/build/target \
            CARGO_TERM_PROGRESS_WHEN=never DEBIAN_FRONTEND=noninteractive \
            timeout --foreground 0 "$@"
    ' in_root "$ROOT" "$SRC" "$CACHE" "${WITH:-}" "$@"
}

# alone NAME : from here on this script is the only one that works on NAME in this checkout; another
# that comes waits. What it starts inherits the lock, so that it ends with the last of them.
alone() {
    local lock
    mkdir -p "$BUILD"
    exec {lock}>"$BUILD/.$1.lock"
    flock -n "$lock" ||
        { say "Waiting for another run that builds in this checkout"; flock "$lock"; }
}

# Which of the distribution's kernels this run is about: FERROMAP_FLAVOUR, also for the scripts
# called from here. What belongs to the usual one bears no name of its own; another one's things
# have its name added. KERNEL is the folder in the cache, NETMAP_KO the module in build/.
USUAL_FLAVOUR=cloud-amd64
# shellcheck disable=SC2034  # as above
flavour() {
    export FERROMAP_FLAVOUR=$1
    KERNEL=kernel NETMAP_KO=netmap.ko
    [ "$1" = "$USUAL_FLAVOUR" ] || KERNEL=kernel-$1 NETMAP_KO=netmap-$1.ko
}
flavour "${FERROMAP_FLAVOUR:-$USUAL_FLAVOUR}"

# The stock kernel that the rig builds for: chosen once by rig/kernel and kept in the cache.
kernel_release() {
    cat "$CACHE/$KERNEL-release" 2>/dev/null || die "no kernel yet: run rig/kernel"
}
