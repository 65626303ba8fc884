import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { exportSigningKey } from '@amanat/core/keys';
import { SoftHsm, skip } from '../packages/keeper/_soft-hsm.ts';
import { amanat, startAmanat } from './_cli.ts';
import { filesOf } from './_files.ts';
import { cnicOf, Instance, simsCsv } from './_instance.ts';
import { Served, until } from './_served.ts';

// The root's key in a device, by the commands: an instance that begins so, and one that goes there and back.

const ADMINISTRATORS = ['administrator-1', 'administrator-2'] as const;
const BOTH = ADMINISTRATORS.flatMap((name) => ['--as', `${name}.pem`]);

describe('an instance whose root is in a device', { skip, concurrency: false }, () => {
  let hsm: SoftHsm;
  let instance: Instance;
  let served: Served;
  before(async () => {
    hsm = new SoftHsm();
    instance = await Instance.create();
    await instance.importCsv('telecom-importer', 'sim-registrations', simsCsv([1, 2]));
    await instance.stopGateway();
    await instance.stopKeeper();
    for (const name of ADMINISTRATORS) {
      const pem = exportSigningKey(instance.key(name));
      writeFileSync(join(instance.dir, `${name}.pem`), pem, { mode: 0o600 });
    }
    served = new Served(instance, { ...process.env, ...hsm.environment, PATH: process.env.PATH });
    await served.start();
  });
  after(async () => {
    await served?.[Symbol.asyncDispose]();
    await instance?.[Symbol.asyncDispose]();
    hsm?.[Symbol.dispose]();
  });

  const ceremony = (...words: string[]) =>
    amanat(['ceremony', ...words, '--dir', instance.dir, '--json'], { cwd: instance.dir });
  async function rotate(...words: string[]) {
    const why = ['--reason', 'a trial', ...BOTH];
    const ran = await ceremony('rotate', '--root', ...words, ...why);
    return { code: ran.code, json: JSON.parse(ran.stdout) };
  }
  async function read(): Promise<void> {
    const request = instance.request('officer', [cnicOf(1)]);
    const answer = await served.post('/v1/requests', { ...request, approval: null });
    assert.equal(answer.status, 200, answer.text);
    assert.equal(answer.json.results[0].records.length, 1, answer.text);
  }
  async function status() {
    return JSON.parse((await ceremony('status')).stdout);
  }
  /** What config.json says of a device. */
  function setDevice(device: object | null): void {
    const path = join(instance.dir, 'config.json');
    const config = JSON.parse(readFileSync(path, 'utf8'));
    writeFileSync(path, JSON.stringify({ ...config, device }));
  }

  test('is refused where the settings name none', async () => {
    const { code, json } = await rotate('--device');
    assert.equal(code, 1);
    assert.equal(json.error.reason, 'device-unreachable');
    await read();
  });

  test('goes there while people are read about, and opens by itself at the next start', async () => {
    await served.stop();
    setDevice(hsm.place);
    await served.start();
    hsm.takeOut();
    assert.equal((await rotate('--device')).json.error.reason, 'token-absent');
    hsm.putIn();
    const { code, json } = await rotate('--device');
    assert.equal(code, 0, JSON.stringify(json));
    assert.equal(json.adopted, true);
    assert.equal((await status()).present.provider, 'pkcs11');
    await read();
    await served.stop();
    await served.start();
    await read();
    await served.kill();
    await served.start();
    await read();
  });

  test('stays locked without its token, says why, and opens once it is back', async () => {
    await served.stop();
    hsm.takeOut();
    await served.start({ isLocked: true });
    await until(async () => ((await status()).awaited === 'token-absent' ? true : null));
    const said = await amanat(['ceremony', 'status', '--dir', instance.dir], { cwd: instance.dir });
    assert.match(said.stdout, /token-absent; connect the token/);
    hsm.putIn();
    await served.well();
    await read();
  });

  test('keeps its PIN out of every line, and out of its folder', () => {
    assert.ok(!served.output.includes(hsm.pin));
    for (const { path, bytes } of filesOf(instance.dir)) assert.ok(!bytes.includes(hsm.pin), path);
  });

  test('goes back under a passphrase, and among custodians', async () => {
    assert.equal((await rotate('--passphrase')).code, 0);
    assert.equal((await status()).present.provider, 'passphrase');
    assert.equal((await rotate('--device')).code, 0);
    assert.equal((await rotate('--sheets', 'sheets')).code, 0);
    assert.equal((await status()).present.provider, 'shares');
    await read();
  });
});

describe('an instance that begins without a passphrase', { concurrency: false }, () => {
  const cwd = mkdtempSync(join(tmpdir(), 'amanat-begin-'));
  const dir = join(cwd, 'data');
  after(() => rmSync(cwd, { recursive: true }));
  before(async () => {
    for (const [name, role] of [
      ['a', 'administrator'],
      ['b', 'administrator'],
      ['r', 'registrar'],
    ] as const) {
      const made = await amanat(['keygen', '--role', role, '--out', `${name}.pem`], { cwd });
      assert.equal(made.code, 0, made.stderr);
    }
  });
  const people = [
    ...['--administrator', 'a.pem.request.json', '--administrator', 'b.pem.request.json'],
    ...['--registrar', 'r.pem.request.json'],
  ];
  const init = (words: readonly string[], env: NodeJS.ProcessEnv = {}) =>
    amanat(['init', '--dir', dir, '--json', ...people, ...words], { cwd, env });
  const status = async () => {
    const ran = await amanat(['ceremony', 'status', '--dir', dir, '--json'], { cwd });
    return JSON.parse(ran.stdout);
  };
  const serve = () =>
    startAmanat(['serve', '--dir', dir, '--port', '0'], { cwd, ready: /Serving http/ });

  test('among custodians, locked from its first start on', async () => {
    const made = await init(['--sheets', 'sheets', '--threshold', '2', '--shares', '3']);
    assert.equal(made.code, 0, made.stderr);
    const { sheets } = JSON.parse(made.stdout);
    assert.equal(sheets.length, 3);
    assert.ok(!existsSync(join(dir, 'keeper', 'passphrase')));
    const serving = await serve();
    try {
      assert.equal((await status()).isLocked, true);
      const argv = ['ceremony', 'unseal', '--dir', dir, '--json', ...sheets.slice(1)];
      const unsealed = await amanat(argv, { cwd });
      assert.equal(JSON.parse(unsealed.stdout).isLocked, false, unsealed.stdout);
    } finally {
      await serving.stop();
    }
    rmSync(dir, { recursive: true });
  });

  test('in a device, or not at all where the device does not serve', { skip }, async () => {
    using hsm = new SoftHsm();
    const at = ['--module', hsm.module, '--token', hsm.token, '--key', hsm.key];
    const pin = ['--pin-file', hsm.pinFile];
    assert.equal((await init(at)).code, 2);
    assert.equal((await init([...at, ...pin, '--sheets', 'more'])).code, 2);
    hsm.setPin('9999');
    const { SOFTHSM2_CONF } = hsm.environment;
    const refused = await init([...at, ...pin], { SOFTHSM2_CONF });
    assert.equal(JSON.parse(refused.stdout).error.reason, 'wrong-pin', refused.stdout);
    assert.ok(!existsSync(dir));
    hsm.setPin(hsm.pin);
    hsm.tool(['--list-objects']);
    const made = await init([...at, ...pin], { SOFTHSM2_CONF });
    assert.equal(made.code, 0, made.stdout + made.stderr);
    assert.ok(!existsSync(join(dir, 'keeper', 'passphrase')));
    process.env.SOFTHSM2_CONF = SOFTHSM2_CONF;
    const serving = await serve();
    delete process.env.SOFTHSM2_CONF;
    try {
      const { isLocked, present } = await status();
      assert.deepEqual([isLocked, present.provider], [false, 'pkcs11']);
      assert.equal(present.device.key, hsm.key);
    } finally {
      await serving.stop();
    }
  });
});
