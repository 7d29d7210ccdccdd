# shellcheck shell=bash
# What scripts/servers and scripts/test share. Sourced, never run.

# One line of progress on standard error, so that standard output stays data.
say() { printf '%s\n' "$*" >&2; }

die() {
  say "${0##*/}: $*"
  exit 1
}

# Runs a command as root: directly, or through sudo where there is one.
as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    die "must be root (or have sudo) to run: $*"
  fi
}

# Tries a command up to three times. Registries time out now and then; a third failure is believed.
three_times() {
  local try
  for try in 1 2 3; do
    if "$@"; then return 0; fi
    say "attempt $try of 3 failed: $*"
  done
  return 1
}

apt_get() {
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq \
    -o DPkg::Lock::Timeout=300 -o Acquire::http::Timeout=60 "$@"
}

# Installs Debian packages. Callers check first whether the program is missing.
apt_install() {
  command -v apt-get >/dev/null || die "no apt-get here; install by hand: $*"
  say "installing from Debian's packages: $*"
  if [ -z "${apt_lists_are_fresh:-}" ]; then
    three_times apt_get update >&2 || die "apt-get update failed three times"
    apt_lists_are_fresh=1
  fi
  three_times apt_get install --yes --no-install-recommends "$@" >&2 ||
    die "could not install: $*"
}
