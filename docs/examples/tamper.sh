#!/bin/bash
# Tampers with a small instance in every way that needs no more than the disk, and shows what notices.
#
#   docs/examples/tamper.sh
#
# Works on a throw-away demonstration of 300 synthetic people in a temporary folder. For each attack it prints what is
# expected and what came. It exits with 1 if anything was accepted in silence.
set -euo pipefail

root=$(cd -P -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/tamper.XXXXXX")
clean=$work/clean
passed=0
failed=0
keeper=
gateway=

stop() { # stop PID: ends a process that this script started, and waits until it has gone
  [ -n "$1" ] || return 0
  kill "$1" 2>/dev/null || return 0
  wait "$1" 2>/dev/null || true
}
trap 'stop "$gateway"; stop "$keeper"; rm -rf "$work"' EXIT

amanat() { "$root/amanat" "$@"; }

# database FOLDER STATEMENTS: JavaScript on the instance's store, as anybody with the disk can write it.
database() {
  "$root/node_modules/.amanat/node" --disable-warning=ExperimentalWarning --input-type=module -e "
    import { DatabaseSync } from 'node:sqlite';
    const db = new DatabaseSync(process.argv[1]);
    const all = (sql, ...values) => db.prepare(sql).all(...values);
    const run = (sql, ...values) => db.prepare(sql).run(...values);
    const flip = (bytes, at) => { const copy = Buffer.from(bytes); copy[(at + copy.length) % copy.length] ^= 1; return copy; };
    $2
    db.close();" "$1/store/amanat.db" </dev/null
}

# json FILE STATEMENTS: changes a JSON file in place; it is called it.
json() {
  "$root/node_modules/.amanat/node" --input-type=module -e "
    import { readFileSync, writeFileSync } from 'node:fs';
    const it = JSON.parse(readFileSync(process.argv[1], 'utf8'));
    $2
    writeFileSync(process.argv[1], JSON.stringify(it));" "$1" </dev/null
}

flip_file() { # flip_file FILE [AT]: changes one bit, in the middle if no byte is named
  "$root/node_modules/.amanat/node" --input-type=module -e "
    import { readFileSync, writeFileSync } from 'node:fs';
    const bytes = readFileSync(process.argv[1]);
    bytes[Number(process.argv[2] ?? Math.floor(bytes.length / 2))] ^= 1;
    writeFileSync(process.argv[1], bytes);" "$@" </dev/null
}

copy() { # copy: a fresh copy of the clean instance, its path in $at
  at=$work/case
  rm -rf "$at"
  cp -a "$clean" "$at"
}

attack() { printf '\n%s\n' "$1"; }

verdict() { # verdict OK EXPECTED OUTPUT
  printf '  expected: %s\n  came:     %s\n' "$2" "$(printf '%s' "$3" | tr '\n' ' ' | cut -c1-150)"
  if [ "$1" = yes ]; then
    passed=$((passed + 1))
    printf '  ok\n'
  else
    failed=$((failed + 1))
    printf '  ACCEPTED IN SILENCE, or refused for another reason\n'
  fi
}

# refused PATTERN COMMAND…: the command must exit with 1, and its output must hold the pattern.
refused() {
  local pattern=$1 output code=0 ok=no
  shift
  output=$("$@" 2>&1) || code=$?
  if [ "$code" -eq 1 ] && grep -qE -- "$pattern" <<<"$output"; then ok=yes; fi
  verdict "$ok" "exit 1, and: $pattern" "exit $code, and: $(grep -E -m1 -- "$pattern" <<<"$output" || tail -n1 <<<"$output")"
}

# accepted PATTERN COMMAND…: the command must exit with 0; without this the refusals would prove nothing.
accepted() {
  local pattern=$1 output code=0 ok=no
  shift
  output=$("$@" 2>&1) || code=$?
  if [ "$code" -eq 0 ] && grep -qE -- "$pattern" <<<"$output"; then ok=yes; fi
  verdict "$ok" "exit 0, and: $pattern" "exit $code, and: $(grep -E -m1 -- "$pattern" <<<"$output" || tail -n1 <<<"$output")"
}

history() { amanat history --dir "$at" --keys "$work/keys.json" <"$work/code.txt"; }

look_up() { # look_up: an officer asks for one person's SIM registrations
  amanat request --dir "$at" --as "$at/people/demo-police.officer-1.pem" --purpose CrimeInvestigation \
    --legal-basis LegalObligation --authority 'section 94' --case tamper-1 \
    --holding sim-registrations:identity,number <"$work/person.txt"
}

printf 'A demonstration of 300 synthetic people, in %s\n' "$work"
amanat demo --people 300 --once --dir "$clean" >"$work/demo.txt" 2>&1 || { cat "$work/demo.txt"; exit 1; }
grep -E 'verified' "$work/demo.txt"
at=$clean
printf 'cnic:%s\n' "$(sed -n 2p "$clean/input/sim-registrations.csv" | cut -d, -f1)" >"$work/person.txt"
amanat person code --dir "$clean" --as "$clean/people/registrar.pem" --out "$work/code.txt" <"$work/person.txt" >/dev/null
# The keys by which everything is judged: an outsider has them from elsewhere, here from before the tampering.
database "$clean" "const [leaf] = all('SELECT bytes FROM leaves WHERE idx = 0');
  const { logKey, keeperKey } = JSON.parse(Buffer.from(leaf.bytes).toString().split('\n')[1]);
  console.log(JSON.stringify({ logKey, keeperKey }));" >"$work/keys.json"

attack '0. Nothing is changed: log, store, history, saved proof and look-up are in order'
accepted '^Verified' amanat verify --dir "$clean" --keys "$work/keys.json"
amanat history --dir "$clean" --save "$work/history.json" <"$work/code.txt" >"$work/history.txt"
copy
accepted '^Verified' history
accepted '^Verified' amanat verify-proof "$work/history.json" --keys "$work/keys.json"
accepted 'identity.name' look_up

attack '1. A bit of a published tile is flipped'
copy
flip_file "$at/log/public/tile/0/000"
refused 'tile-differs at tile/0/000' amanat verify --dir "$at"
refused 'failed +inclusion' history

attack '2. A bit of the published checkpoint is flipped'
copy
flip_file "$at/log/public/checkpoint" 40 # in the root
refused 'checkpoint-signature' amanat verify --dir "$at"

attack '3. A bit of each ciphertext is flipped in the store (byte 40 is in the first group, after its nonce and length)'
copy
database "$at" "for (const { id, bytes } of all('SELECT id, bytes FROM custody_ciphertexts'))
  run('UPDATE custody_ciphertexts SET bytes = ? WHERE id = ?', flip(bytes, 40), id);"
refused 'DIFFERS import [0-9]+: root-differs' amanat verify --dir "$at"
accepted 'not delivered, integrity' look_up

attack '4. Two records’ ciphertexts change places'
copy
database "$at" "const [a, b] = all('SELECT id, bytes FROM custody_ciphertexts ORDER BY id LIMIT 2');
  run('UPDATE custody_ciphertexts SET bytes = ? WHERE id = ?', b.bytes, a.id);
  run('UPDATE custody_ciphertexts SET bytes = ? WHERE id = ?', a.bytes, b.id);"
refused 'DIFFERS import [0-9]+: root-differs' amanat verify --dir "$at"

attack '5. Two rows of the index change places: each person is shown the other’s record'
copy
database "$at" "const [a, b] = all('SELECT * FROM custody_records ORDER BY subject LIMIT 2');
  for (const [one, other] of [[a, b], [b, a]])
    run('UPDATE custody_records SET ciphertexts = ? WHERE subject = ? AND holding = ? AND record = ?',
      other.ciphertexts, one.subject, one.holding, one.record);"
refused 'DIFFERS import [0-9]+: index-differs' amanat verify --dir "$at"

attack '6. A record is deleted'
copy
database "$at" "const [a] = all('SELECT * FROM custody_records LIMIT 1');
  run('DELETE FROM custody_records WHERE ciphertexts = ?', a.ciphertexts);
  run('DELETE FROM custody_ciphertexts WHERE id = ?', a.ciphertexts);"
refused 'DIFFERS import [0-9]+: rows-differ' amanat verify --dir "$at"

attack '7. The log’s last leaf is deleted: the last look never was'
copy
database "$at" "run('DELETE FROM leaves WHERE idx = (SELECT max(idx) FROM leaves)');"
refused 'checkpoint-ahead-of-store' amanat verify --dir "$at"
refused 'the log cannot be written|the log takes no entries' look_up

attack '8. The log’s last leaf is written anew, and signed anew by the gateway with the log’s own key'
copy
database "$at" "const [a] = all('SELECT idx, bytes FROM leaves ORDER BY idx DESC LIMIT 1');
  const text = Buffer.from(a.bytes).toString('latin1');
  run('UPDATE leaves SET bytes = ? WHERE idx = ?',
    Buffer.from(text.replace(/.{44}\n\$/, Buffer.alloc(32, 7).toString('base64') + '\n'), 'latin1'), a.idx);"
refused 'checkpoint-root' amanat verify --dir "$at"
refused 'the log cannot be written|the log takes no entries' look_up

attack '9. An entry of her history is left out'
copy
database "$at" "const [a] = all('SELECT subject FROM entries GROUP BY subject ORDER BY count(*) DESC LIMIT 1');
  for (const { subject } of all('SELECT DISTINCT subject FROM entries'))
    run('DELETE FROM entries WHERE subject = ? AND number = 1', subject);"
refused 'failed +numbers \(missing at 1' history

attack '10. A sealed statement of her history is changed (amanat verify has no key and cannot see it; she can)'
copy
database "$at" "for (const { idx, body } of all('SELECT idx, body FROM bodies'))
  run('UPDATE bodies SET body = ? WHERE idx = ?', flip(body, 40), idx);"
accepted '^Verified' amanat verify --dir "$at"
refused 'failed +bodies-open' history

attack '11. A saved proof is changed, cut short, or judged by other keys'
cp "$work/history.json" "$work/changed.json"
json "$work/changed.json" "const { entries } = it.subjects[0]; entries[0].leafHash = '0'.repeat(64);"
refused 'failed +inclusion' amanat verify-proof "$work/changed.json" --keys "$work/keys.json"
cp "$work/history.json" "$work/cut.json"
json "$work/cut.json" 'it.subjects[0].entries.pop();'
refused 'failed +numbers' amanat verify-proof "$work/cut.json" --keys "$work/keys.json"
cp "$work/keys.json" "$work/other-keys.json"
json "$work/other-keys.json" "it.keeperKey = 'ed25519:' + Buffer.alloc(32, 9).toString('base64');"
refused 'failed +head-signature' amanat verify-proof "$work/history.json" --keys "$work/other-keys.json"

attack '12. One administrator signs twice for two'
copy
refused 'one administrator has signed this twice' amanat holding declare --dir "$at" \
  "$root/packages/server/holdings/shipped/sim-registrations.yaml" \
  --as "$at/people/administrator-a.pem" --as "$at/people/administrator-a.pem"

attack '13. The keeper’s folder is gone: what the gateway has opens nothing'
copy
rm -rf "$at/keeper"
mkdir "$at/keeper"
refused 'the keeper cannot be reached|without it nothing' look_up
name=$(sed -n 2p "$clean/input/sim-registrations.csv" | cut -d, -f2)
rm -rf "$at/input" # the importer's own files
refused '^no such name$' bash -c 'grep -raF -- "$1" "$2" && exit 0; echo "no such name"; exit 1' bash "$name" "$at"

attack '14. The keeper is stopped while the gateway serves'
copy
json "$at/config.json" 'it.keeper = "external"' # or the gateway starts one of its own
"$root/amanat" keeper --dir "$at" >"$work/keeper.txt" 2>&1 &
keeper=$!
until grep -q serves "$work/keeper.txt"; do kill -0 "$keeper"; sleep 0.2; done
"$root/amanat" serve --dir "$at" --port 0 >"$work/gateway.txt" 2>&1 &
gateway=$!
until grep -q '^Serving' "$work/gateway.txt"; do kill -0 "$gateway"; sleep 0.2; done
accepted 'identity.name' look_up
stop "$keeper"
keeper=
refused 'the keeper cannot be reached|without it nothing' look_up

attack '15. The keeper comes back: all goes on by itself'
"$root/amanat" keeper --dir "$at" >"$work/keeper.txt" 2>&1 &
keeper=$!
until grep -q serves "$work/keeper.txt"; do kill -0 "$keeper"; sleep 0.2; done
sleep 5
accepted 'identity.name' look_up
stop "$gateway"
gateway=
stop "$keeper"
keeper=
accepted '^Verified' amanat verify --dir "$at" --keys "$work/keys.json"

printf '\n%s results as expected, %s not\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
