import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { parseVerifierKey } from '@amanat/core/log';
import { silentLogger } from '../packages/server/disclosure/_served.ts';
import type { WitnessServer } from '../packages/server/witness-server.ts';
import { startWitness } from '../packages/server/witness-server.ts';
import { amanat, startAmanat } from './_cli.ts';

const CNIC = '09999-0000001-2';
const NAMES = ['east', 'west', 'north', 'south'];
const BOTH = '--as admin-a.pem --as admin-b.pem';

let cwd: string;
let server: Awaited<ReturnType<typeof startAmanat>> | null = null;
const witnesses: WitnessServer[] = [];
let code = '';

const words = (line: string) => line.split(' ').filter((word) => word !== '');
const run = (line: string, input = '', dir = 'data') =>
  amanat(['--dir', join(cwd, dir), ...words(line)], { cwd, input });
const write = (name: string, text: string) => writeFileSync(join(cwd, name), text);

async function ok(line: string, input = '', dir = 'data') {
  const ran = await run(`${line} --json`, input, dir);
  assert.equal(ran.code, 0, `${line}: ${ran.stdout}${ran.stderr}`);
  return JSON.parse(ran.stdout) as Readonly<Record<string, unknown>>;
}

/** What the instance says of itself over HTTP, put by as a file of keys. */
async function saveInstance(name: string) {
  const [url] = /http:\/\/\S+/.exec(server?.output() ?? '') ?? [];
  assert.ok(url);
  const text = await (await fetch(new URL('/v1/instance', url))).text();
  write(name, text);
  return JSON.parse(text) as {
    readonly witnesses: { readonly names: readonly string[]; readonly count: number } | null;
    readonly brokenUntil: number | null;
  };
}

/** A person's history at a log that four witnesses, each with a server of its own, watch by its key. */
before(async () => {
  cwd = mkdtempSync(join(tmpdir(), 'amanat-witnessed-'));
  for (const name of ['admin-a', 'admin-b'])
    await ok(`keygen --role administrator --out ${name}.pem`);
  await ok('keygen --role registrar --out registrar.pem');
  const made = await ok(
    'init --mode demo --origin witnessed.example/log --administrator admin-a.pem.request.json ' +
      '--administrator admin-b.pem.request.json --registrar registrar.pem.request.json',
  );
  write('unwitnessed-keys.json', JSON.stringify(made));
  const holding = join(import.meta.dirname, '../packages/server/holdings/shipped');
  server = await startAmanat(['serve', '--dir', 'data', '--port', '0'], {
    cwd,
    ready: /Serving http/,
  });
  write('holding.yaml', readFileSync(join(holding, 'sim-registrations.yaml'), 'utf8'));
  await ok(`holding declare holding.yaml ${BOTH}`);
  code = String((await ok('person code --as registrar.pem', `cnic:${CNIC}\n`)).code);
  const lines: string[] = [];
  for (const name of NAMES) {
    const { verifierKeys } = await ok(`witness init --name witness.example/${name}`, '', name);
    const [key] = verifierKeys as readonly string[];
    const logs = [parseVerifierKey(String(made.logKey))];
    const witness = await startWitness({
      dir: join(cwd, name),
      port: 0,
      logs,
      logger: silentLogger(),
    });
    witnesses.push(witness);
    lines.push(`  - key: "${key}"`, `    url: "${witness.url}/"`);
  }
  const glass = ['break glass:', '  quorum: 1', '  releases: 10'];
  const file = ['witnesses:', ...lines, 'quorum: 3', 'faulty: 1', ...glass, ''];
  write('witnesses.yaml', file.join('\n'));
});

after(async () => {
  await server?.stop();
  for (const each of witnesses) await each[Symbol.asyncDispose]();
  rmSync(cwd, { recursive: true, force: true });
});

test('before any witness is appointed, whoever checks is told so', async () => {
  assert.equal((await saveInstance('before.json')).witnesses, null);
  const history = await run('history', code);
  assert.equal(history.code, 0, history.stdout);
  assert.match(history.stdout, /^Verified\.\nNot yet witnessed\.$/m);
  assert.doesNotMatch(history.stdout, /witnessed$|[Cc]osigned/m);
  assert.match((await run('verify')).stdout, /^Not yet witnessed\.$/m);
});

test('once they are, a history, a saved proof and the published log tell who cosigned', async () => {
  await ok(`witnesses declare witnesses.yaml ${BOTH}`);
  const instance = await saveInstance('keys.json');
  assert.deepEqual(
    instance.witnesses?.names,
    NAMES.map((name) => `witness.example/${name}`),
  );
  assert.deepEqual([instance.witnesses?.count, instance.brokenUntil], [4, null]);
  const cosigned =
    /^Cosigned by 3 of 4 independent witnesses: (?:witness\.example\/\w+(?:, )?){3}\.$/m;
  const history = await run('history --save proof.json', code);
  assert.equal(history.code, 0, history.stdout);
  assert.match(history.stdout, cosigned);
  assert.match(history.stdout, /^ {2}ok +witnessed$/m);
  for (const keys of ['', '--keys keys.json']) {
    const proof = await run(`verify-proof proof.json ${keys}`);
    assert.equal(proof.code, 0, proof.stdout);
    assert.match(proof.stdout, cosigned);
  }
  for (const keys of ['', '--keys keys.json']) {
    const log = await run(`verify ${keys}`);
    assert.equal(log.code, 0, log.stdout);
    assert.match(log.stdout, /^Cosigned by 3 of 4 witnesses, of whom 3 have to: witness/m);
  }
});

test('a proof short of a cosignature passes by no keys that name the witnesses', async () => {
  const proof = JSON.parse(readFileSync(join(cwd, 'proof.json'), 'utf8')) as {
    checkpoint: string;
    keys: { witnesses: { quorum: number } | null };
  };
  const lines = proof.checkpoint.trimEnd().split('\n');
  const short = { ...proof, checkpoint: `${lines.slice(0, -1).join('\n')}\n` };
  write('short.json', JSON.stringify(short));
  const claimed = await run('verify-proof short.json');
  assert.equal(claimed.code, 1);
  assert.match(claimed.stdout, /^NOT VERIFIED\.\nCosigned by 2 of 4 witnesses, where 3 have to: /m);
  // A file that hides them, or asks for fewer, says so itself; keys from elsewhere are not moved by it.
  const hidden = { ...short, keys: { ...short.keys, witnesses: null } };
  write('hidden.json', JSON.stringify(hidden));
  assert.match(
    (await run('verify-proof hidden.json')).stdout,
    /^Verified\.\nNot yet witnessed\.$/m,
  );
  const lowered = { ...short.keys.witnesses, quorum: 2 };
  write('lowered.json', JSON.stringify({ ...short, keys: { ...short.keys, witnesses: lowered } }));
  for (const name of ['hidden', 'lowered']) {
    const judged = await run(`verify-proof ${name}.json --keys keys.json`);
    assert.equal(judged.code, 1);
    assert.match(judged.stdout, /^ {2}failed +witnessed \(missing\)$/m);
  }
  const unpinned = await run('verify-proof proof.json --keys unwitnessed-keys.json');
  assert.equal(unpinned.code, 0, unpinned.stdout);
  assert.match(unpinned.stdout, /^Verified\.\nNot yet witnessed\.$/m);
  write('bad-keys.json', JSON.stringify({ ...short.keys, witnesses: { keys: [], quorum: 1 } }));
  assert.equal((await run('verify-proof proof.json --keys bad-keys.json')).code, 1);
});

test('while the glass is broken a history says so, and does not pass by keys from elsewhere', async () => {
  for (const each of witnesses.splice(1)) await each[Symbol.asyncDispose]();
  assert.notEqual((await run('history', code)).code, 0);
  await ok(`witnesses break-glass --reason need --hours 1 ${BOTH}`);
  let history = await run('history', code);
  // The log takes entries again once the one witness has cosigned what waited.
  for (let tries = 0; history.code !== 0 && tries < 20; tries++)
    history = await run('history', code);
  assert.equal(history.code, 0, history.stdout);
  assert.match(
    history.stdout,
    /^Cosigned by 1 of 4 independent witnesses: witness\.example\/east\.$/m,
  );
  assert.match(
    history.stdout,
    /^The glass is broken until \d{4}-\S+Z: two administrators let 1 of 4 witnesses do\.$/m,
  );
  const pinned = await run('history --keys keys.json', code);
  assert.equal(pinned.code, 1);
  assert.match(pinned.stdout, /^NOT VERIFIED\.\nCosigned by 1 of 4 witnesses, where 3 have to/m);
  assert.ok(((await saveInstance('broken.json')).brokenUntil ?? 0) > Date.now());
  assert.match((await run('verify')).stdout, /^Cosigned by 1 of 4 witnesses, of whom 1 have to: /m);
});
