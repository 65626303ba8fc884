import assert from 'node:assert/strict';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import type { Server, Socket } from 'node:net';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { buffer } from 'node:stream/consumers';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fromHex } from '@amanat/core/bytes';
import { encodeNames, open, secretKey } from '@amanat/core/keys';
import { CeremonyProcess } from './_ceremony.ts';
import { DeviceProcess, SoftHsm, skip } from './_soft-hsm.ts';
import { Trial } from './_trial.ts';
import { KeeperRefused } from './client.ts';
import { KEEPER_FILES } from './create.ts';
import type { DeviceRefusal } from './device/protocol.ts';
import { readSecretKeys, readTokens } from './device/tool.ts';
import { encodeFrame, FrameReader } from './frame.ts';
import type { DeviceCode } from './providers/pkcs11.ts';
import { Device, DeviceError, drawInDevice, unlockInDevice } from './providers/pkcs11.ts';
import type { DevicePlace } from './providers/root.ts';
import { readRootPlace } from './providers/root.ts';

const ABOUT = Buffer.from('a trial');
const BYTES = Buffer.alloc(32, 0x5a);

const failsAs = (code: DeviceCode) => (error: unknown) =>
  error instanceof DeviceError && error.code === code;
const refusedAs = (code: string) => (error: unknown) =>
  error instanceof KeeperRefused && error.code === code;

/** A folder with a pkcs11-tool that runs these lines of a shell, then the real one. */
function toolThatFirst(folder: string, lines: string): string {
  const programs = join(folder, 'programs');
  const path = join(programs, 'pkcs11-tool');
  mkdirSync(programs, { recursive: true });
  writeFileSync(path, `#!/bin/sh\n${lines}\nPATH=\${PATH#*:} exec pkcs11-tool "$@"\n`);
  chmodSync(path, 0o755);
  return programs;
}

describe('what is no answer of a device’s process is none to the keeper', () => {
  const dir = mkdtempSync(join(tmpdir(), 'amanat-device-'));
  const servers: Server[] = [];
  after(() => {
    for (const server of servers) server.close();
    rmSync(dir, { recursive: true });
  });

  /** A device whose process does this with whoever connects. */
  async function answered(answer: (socket: Socket) => void, waitMs = 10_000): Promise<Device> {
    const path = join(dir, `${servers.length}.sock`);
    const server = createServer((socket) => {
      socket.on('error', () => {});
      answer(socket);
    });
    servers.push(server.listen(path));
    await once(server, 'listening');
    return new Device(path, waitMs);
  }

  it('nobody, silence, an end, garbage, and answers to something else', async () => {
    const nobody = new Device(join(dir, 'none'));
    await assert.rejects(nobody.describe(), failsAs('device-unreachable'));
    const silent = await answered(() => {}, 50);
    await assert.rejects(silent.describe(), failsAs('device-silent'));
    const ending = await answered((socket) => socket.end());
    await assert.rejects(ending.mac(BYTES), failsAs('device-unreachable'));
    const cases: readonly (readonly [string, Uint8Array])[] = [
      ['text', Buffer.from('HTTP/1.1 200 OK\r\n\r\n')],
      ['a frame too long', Buffer.alloc(8, 0xff)],
      ['no json', Buffer.from([0, 0, 0, 5, 0, 0, 0, 1, 0x7b])],
      ['null', encodeFrame(null)],
      ['a list', encodeFrame([])],
      ['an unknown refusal', encodeFrame({ refused: 'no' })],
      ['a refusal and more', encodeFrame({ refused: 'wrong-pin', pin: 'x' })],
      ['a refusal that is ours to give', encodeFrame({ refused: 'another-key' })],
      ['more than asked', encodeFrame({ mac: 'done', more: 1 }, BYTES)],
      ['a short code', encodeFrame({ mac: 'done' }, BYTES.subarray(1))],
      ['a long code', encodeFrame({ mac: 'done' }, Buffer.alloc(33))],
    ];
    for (const [name, bytes] of cases) {
      const device = await answered((socket) => socket.write(bytes));
      await assert.rejects(device.mac(BYTES), failsAs('device-garbled'), name);
      await assert.rejects(device.describe(), failsAs('device-garbled'), name);
    }
    for (const code of ['wrong-pin', 'key-extractable', 'device-silent'] as DeviceRefusal[]) {
      const device = await answered((socket) => socket.write(encodeFrame({ refused: code })));
      await assert.rejects(device.describe(), failsAs(code));
    }
  });

  it('what the tool shows is read as far as it has its form', () => {
    const listed = `Available slots:
Slot 0 (0x6fb0ee5b): SoftHSM slot ID 0x6fb0ee5b
  token label        : amanat
  token flags        : login required, user PIN count low
  serial num         : cc2a1e5cefb0ee5b
Slot 1 (0x1): SoftHSM slot ID 0x1
  token state:   uninitialized
`;
    assert.deepEqual(readTokens(Buffer.from(listed)), [
      {
        label: 'amanat',
        serial: 'cc2a1e5cefb0ee5b',
        flags: ['login required', 'user PIN count low'],
      },
      { label: '', serial: '', flags: [''] },
    ]);
    const keys = `Secret Key Object; Generic secret length 32
  VALUE:      00112233
  label:      root
  ID:         0A
  Access:     sensitive, never extractable
Private Key Object; RSA
  ID:         0b
`;
    assert.deepEqual(readSecretKeys(Buffer.from(keys)), [
      { id: '0a', access: ['sensitive', 'never extractable'] },
    ]);
  });
});

describe('the process that talks to a device', { skip, concurrency: false }, () => {
  let hsm: SoftHsm;
  let socket: string;
  let device: Device;
  beforeEach(() => {
    hsm = new SoftHsm();
    socket = join(hsm.dir, 'device.sock');
    device = new Device(socket);
  });
  afterEach(() => hsm[Symbol.dispose]());

  it('refuses, by what is wrong', async () => {
    const cases: readonly (readonly [DeviceCode, object])[] = [
      ['module-missing', { module: join(hsm.dir, 'none.so') }],
      ['token-absent', { token: 'another' }],
      ['key-missing', { key: '02' }],
      ['pin-missing', { pinFile: join(hsm.dir, 'none') }],
    ];
    for (const [code, changed] of cases) {
      const at = { ...hsm.place, ...changed };
      await using _process = await DeviceProcess.start(hsm, socket, { at });
      await assert.rejects(device.describe(), failsAs(code));
      await assert.rejects(device.mac(BYTES), failsAs(code));
    }
    await using process = await DeviceProcess.start(hsm, socket);
    await device.describe();
    for (const nothing of ['', '\n4711-0815', 'a\nb', 'x'.repeat(300)]) {
      hsm.setPin(nothing);
      await assert.rejects(device.describe(), failsAs('pin-missing'));
    }
    hsm.setPin(hsm.pin);
    hsm.takeOut();
    await assert.rejects(device.describe(), failsAs('token-absent'));
    hsm.putIn();
    await device.describe();
    // Two of one label: which would it be?
    hsm.initialize();
    await assert.rejects(device.describe(), failsAs('token-absent'));
    assert.match(process.errors, /^(device: [a-z-]+( \(CKR_[A-Z_]+\))?\n)+$/);
  });

  it('refuses a key that can leave the device, or could once, or is there twice', async () => {
    const cases: readonly (readonly [DeviceCode, readonly string[], string])[] = [
      ['key-extractable', ['--sensitive', '--extractable'], 'GENERIC:32'],
      ['key-extractable', ['--extractable'], 'GENERIC:32'],
      ['key-extractable', [], 'GENERIC:32'],
      ['mechanism-missing', ['--sensitive'], 'AES:32'],
    ];
    await using _process = await DeviceProcess.start(hsm, socket);
    for (const [code, attributes, type] of cases) {
      hsm.remove(hsm.key);
      hsm.generate(hsm.key, attributes, type);
      await assert.rejects(device.mac(BYTES), failsAs(code), attributes.join());
    }
    hsm.remove(hsm.key);
    // From outside: sensitive and not extractable now, and whoever brought it may have it still.
    writeFileSync(join(hsm.dir, 'brought'), BYTES);
    hsm.tool([
      ...['--write-object', join(hsm.dir, 'brought'), '--type', 'secrkey', '--id', hsm.key],
      ...['--key-type', 'AES:32', '--private', '--sensitive'],
    ]);
    await assert.rejects(device.mac(BYTES), failsAs('key-extractable'));
    hsm.remove(hsm.key);
    for (const _ of [1, 2]) hsm.generate(hsm.key, ['--sensitive']);
    await assert.rejects(device.mac(BYTES), failsAs('key-missing'));
  });

  it('gives a wrong PIN once, and none where one was tried by hand', async () => {
    const runs = join(hsm.dir, 'runs');
    const programs = toolThatFirst(hsm.dir, `echo "$*" >>'${runs}'`);
    const logins = () => readFileSync(runs, 'utf8').match(/--login/g)?.length ?? 0;
    hsm.setPin('9999');
    {
      await using process = await DeviceProcess.start(hsm, socket, { programs });
      await assert.rejects(device.describe(), failsAs('wrong-pin'));
      for (let time = 0; time < 5; time++) {
        await assert.rejects(device.mac(BYTES), failsAs('pin-tried'));
      }
      assert.ok(!process.errors.includes('9999'));
    }
    // Nor after a start, nor another PIN, though it were the right one.
    await using _process = await DeviceProcess.start(hsm, socket, { programs });
    await assert.rejects(device.describe(), failsAs('pin-tried'));
    hsm.setPin(hsm.pin);
    await assert.rejects(device.describe(), failsAs('pin-tried'));
    assert.equal(logins(), 1);
    assert.match(hsm.flags, /count low/);
    hsm.tool(['--list-objects']);
    await device.describe();
    assert.ok(!readFileSync(runs, 'utf8').includes(hsm.pin));
    hsm.mistype();
    await assert.rejects(device.describe(), failsAs('pin-tried'));
  });

  it('gives a wrong PIN once to a token that does not say that one was tried', async () => {
    const runs = join(hsm.dir, 'runs');
    const quiet = `echo "$*" >>'${runs}'
case "$*" in *list-token-slots*) PATH=\${PATH#*:} pkcs11-tool "$@" | sed 's/user PIN count low, //'; exit;; esac`;
    const programs = toolThatFirst(hsm.dir, quiet);
    hsm.setPin('9999');
    await using _process = await DeviceProcess.start(hsm, socket, { programs });
    for (let time = 0; time < 5; time++) {
      await assert.rejects(device.mac(BYTES), failsAs('wrong-pin'));
    }
    assert.equal(readFileSync(runs, 'utf8').match(/--login/g)?.length, 1);
    hsm.setPin(hsm.pin);
    await device.describe();
  });

  it('refuses where the tool is not there, hangs, fails, or writes without end', async () => {
    const cases: readonly (readonly [DeviceCode, string])[] = [
      ['device-silent', 'exec sleep 600'],
      ['device-failed', 'exit 1'],
      ['device-failed', 'kill -9 $$'],
      ['device-failed', 'exec head -c 3000000 /dev/zero'],
      ['token-absent', 'echo nothing of its form; exit'],
    ];
    for (const [code, lines] of cases) {
      const programs = toolThatFirst(hsm.dir, lines);
      await using _process = await DeviceProcess.start(hsm, socket, { programs });
      await assert.rejects(device.describe(), failsAs(code), lines);
    }
    await using _process = await DeviceProcess.start(hsm, socket, { path: join(hsm.dir, 'none') });
    await assert.rejects(device.describe(), failsAs('tool-missing'));
  });

  it('answers what is no question with a refusal, and serves on', async () => {
    await using _process = await DeviceProcess.start(hsm, socket);
    for (const [question, attachment] of [
      [null, undefined],
      [{}, undefined],
      [{ ask: 'sign' }, undefined],
      [['mac'], undefined],
      [{ ask: 'mac' }, Buffer.alloc(1_025)],
    ] as const) {
      const frames = [...new FrameReader().push(await say(encodeFrame(question, attachment)))];
      assert.deepEqual(frames[0]?.json, { refused: 'unknown-question' });
    }
    const asked = encodeFrame({ ask: 'describe' });
    assert.equal((await say(Buffer.alloc(16, 0xff))).length, 0);
    assert.equal((await say(Buffer.concat([asked, asked]))).length, 0);
    await device.describe();
  });

  async function say(bytes: Uint8Array): Promise<Buffer> {
    const connection = connect(socket);
    connection.on('error', () => {});
    connection.write(bytes);
    return await buffer(connection).catch(() => Buffer.alloc(0));
  }

  it('opens what was wrapped, by the same key and for the same purpose alone', async () => {
    await using _process = await DeviceProcess.start(hsm, socket);
    const { place, root } = await drawInDevice(device);
    assert.ok(place.provider === 'pkcs11');
    const wrapped = await root.wrap(BYTES, ABOUT);
    assert.equal(wrapped.length, 60);
    assert.notDeepEqual(wrapped, await root.wrap(BYTES, ABOUT));
    const again = await unlockInDevice(device, place);
    assert.deepEqual(await again.unwrap(wrapped, ABOUT), BYTES);
    const bad = { code: 'bad-ciphertext' };
    await assert.rejects(again.unwrap(wrapped, BYTES), bad);
    await assert.rejects(
      again.unwrap(
        wrapped.map((byte, at) => (at === 20 ? byte ^ 1 : byte)),
        ABOUT,
      ),
      bad,
    );
    // Another root under the same key is another root.
    const other = await drawInDevice(device);
    await assert.rejects(other.root.unwrap(wrapped, ABOUT), bad);
    hsm.remove(hsm.key);
    hsm.generate(hsm.key, ['--sensitive']);
    await assert.rejects(unlockInDevice(device, place), failsAs('another-key'));
  });
});

describe('a keeper with its root in a device', { skip, concurrency: false }, () => {
  let hsm: SoftHsm;
  let trial: Trial;
  let at: CeremonyProcess;
  let socket: string;
  let record: string | undefined;
  before(async () => {
    hsm = new SoftHsm();
    trial = await Trial.ready({ now: Date.now() });
    trial.keeper.close();
    socket = join(trial.dir, KEEPER_FILES.device);
    at = await CeremonyProcess.start(trial);
    record = (await trial.draw(1))?.record;
  });
  after(async () => {
    for (const process of started) await process.kill();
    await at?.kill();
    rmSync(trial.dir, { recursive: true });
    hsm[Symbol.dispose]();
  });

  const started: DeviceProcess[] = [];
  async function startDevice(options: Parameters<typeof DeviceProcess.start>[2] = {}) {
    const process = await DeviceProcess.start(hsm, socket, options);
    started.push(process);
    return process;
  }

  const status = async () => (await at.status()).answer;
  const keysAreTheSame = async () => assert.equal((await trial.draw(1))?.record, record);
  async function awaited(code: DeviceCode): Promise<void> {
    while ((await status()).awaited !== code) await sleep(20);
    assert.equal(at.keeper.isLocked, true);
    await assert.rejects(trial.ask('status', {}), refusedAs('locked'));
  }
  async function opens(): Promise<void> {
    while (at.keeper.isLocked) await sleep(20);
    await keysAreTheSame();
  }

  it('draws and adopts nothing without the device, nor before it is entered', async () => {
    const draw = () => at.client.ask('draw', { provider: 'pkcs11' });
    await assert.rejects(draw(), refusedAs('device-unreachable'));
    await using process = await startDevice();
    const { answer } = await draw();
    const { root, device, shares } = answer.root;
    assert.equal(device?.key, hsm.key);
    assert.equal(shares, null);
    await assert.rejects(at.adopt(root), refusedAs('not-entered'));
    await at.enter(root, null, 'pkcs11');
    hsm.takeOut();
    await assert.rejects(at.adopt(root), refusedAs('token-absent'));
    hsm.putIn();
    hsm.remove(hsm.key);
    await assert.rejects(at.adopt(root), refusedAs('key-missing'));
    hsm.generate(hsm.key, ['--sensitive']);
    await assert.rejects(at.adopt(root), refusedAs('another-key'));
    await process.kill();
    await assert.rejects(at.adopt(root), refusedAs('device-unreachable'));
    assert.equal((await status()).present.provider, 'passphrase');
    await keysAreTheSame();
  });

  it('adopts it while it serves, and starts locked until the device has the key', async () => {
    let process = await startDevice();
    const root = await at.changeToDevice();
    await keysAreTheSame();
    assert.equal((await status()).present.root, root);
    await process.kill();
    // Without its device it serves on.
    await keysAreTheSame();
    assert.equal(await at.stop(), 0);

    at = await CeremonyProcess.start(trial);
    await awaited('device-unreachable');
    await assert.rejects(at.client.ask('draw', { provider: 'pkcs11' }), refusedAs('locked'));
    hsm.takeOut();
    process = await startDevice();
    await awaited('token-absent');
    hsm.putIn();
    await opens();
    assert.equal((await status()).awaited, null);
    await at.kill();

    // A wrong PIN is no reason to ask again and again.
    hsm.setPin('9999');
    at = await CeremonyProcess.start(trial);
    await awaited('pin-tried');
    hsm.setPin(hsm.pin);
    hsm.tool(['--list-objects']);
    await opens();
    assert.equal(at.keeper.errors, '');
    await process.kill();
  });

  it('holds no PIN, no key of the root and no native code, nor do its files and lines', async () => {
    await using process = await startDevice();
    await at.stop();
    at = await CeremonyProcess.start(trial);
    await opens();
    const of = (file: string) => readFileSync(`/proc/${at.keeper.child.pid}/${file}`, 'latin1');
    for (const seen of [of('cmdline'), of('environ'), process.startedWith, process.errors]) {
      assert.ok(!seen.includes(hsm.pin));
    }
    const mapped = of('maps')
      .split('\n')
      .map((line) => basename(line));
    assert.deepEqual(
      mapped.filter((name) => /softhsm|opensc|pkcs11|\.node$/.test(name)),
      [],
    );
    // What the device gave to open the generation with, as anybody gives it who has device and PIN.
    const db = new DatabaseSync(join(trial.dir, KEEPER_FILES.database), { readOnly: true });
    const row = db.prepare('SELECT root FROM roots WHERE place = 1').get();
    const { wrapped } = db
      .prepare('SELECT wrapped FROM slots JOIN generations USING (slot)')
      .get() as { wrapped: Uint8Array };
    db.close();
    const { salt } = readRootPlace(String(row?.root)) as DevicePlace;
    const about = encodeNames('generation', '2');
    const nonce = wrapped.subarray(0, 12);
    const names = encodeNames('amanat/v1 root in a device', fromHex(salt), about, nonce);
    const key = await new Device(socket).mac(names);
    assert.equal(open(secretKey(key), wrapped, about).length, 32);
    for (const name of readdirSync(trial.dir).filter((each) => !each.endsWith('.sock'))) {
      const bytes = readFileSync(join(trial.dir, name));
      assert.ok(!bytes.includes(key) && !bytes.includes(hsm.pin), name);
    }
  });

  it('goes to shares, to a passphrase and back, and rotates its generation once the device is there', async () => {
    let process = await startDevice();
    await at.changeToShares();
    assert.equal((await status()).present.provider, 'shares');
    const first = await at.changeToDevice();
    const { answer } = await at.client.ask('draw', { provider: 'passphrase' });
    await at.enter(answer.root.root, null);
    await at.adopt(answer.root.root);
    const second = await at.changeToDevice();
    assert.notEqual(first, second);
    await process.kill();
    await at.enterGeneration(1);
    for (let time = 0; time < 5; time++) {
      await keysAreTheSame();
      assert.deepEqual((await status()).generations, { present: 2, isRotating: false });
      await sleep(200);
    }
    process = await startDevice();
    while ((await status()).generations?.present !== 3) await sleep(20);
    while ((await status()).generations?.isRotating !== false) await sleep(20);
    await at.kill();
    at = await CeremonyProcess.start(trial);
    await opens();
    await process.kill();
  });

  it('opens with the old root or the new one, at whichever step the device’s process is killed', async () => {
    const runs = join(hsm.dir, 'runs');
    const nth = join(hsm.dir, 'nth');
    const programs = toolThatFirst(
      hsm.dir,
      `echo run >>'${runs}'; [ "$(wc -l <'${runs}')" -lt "$(cat '${nth}')" ] || kill -9 $PPID`,
    );
    /** Does it with a process that is killed at its nth use of the tool. */
    async function killedAt<T>(step: number, act: () => Promise<T>): Promise<T | null> {
      rmSync(runs, { force: true });
      writeFileSync(nth, String(step));
      await using process = await startDevice({ programs });
      try {
        return await act();
      } catch (error) {
        assert.ok(refusedAs('device-unreachable')(error), String(error));
        assert.equal(process.child.signalCode ?? 'SIGKILL', 'SIGKILL');
        return null;
      }
    }
    const before_ = (await status()).present.root;
    const draw = () => at.client.ask('draw', { provider: 'pkcs11' });
    let drawn: Awaited<ReturnType<typeof draw>> | null = null;
    let step = 0;
    while (drawn === null) {
      drawn = await killedAt(++step, draw);
      assert.equal((await status()).drawn === null, drawn === null);
      await keysAreTheSame();
    }
    assert.ok(step > 2, `${step} steps of drawing`);
    const { root } = drawn.answer.root;
    await at.enter(root, null, 'pkcs11');
    let adopted: object | null = null;
    for (step = 0; adopted === null; ) {
      adopted = await killedAt(++step, () => at.adopt(root));
      const { present } = await status();
      assert.equal(present.root, adopted === null ? before_ : root);
      await keysAreTheSame();
    }
    assert.ok(step > 6, `${step} steps of adopting`);
    await at.kill();
    // And while it opens: locked until another has started.
    at = await CeremonyProcess.start(trial);
    await killedAt(2, async () => await sleep(1_500));
    assert.equal(at.keeper.isLocked, true);
    await using _process = await startDevice();
    await opens();
    assert.ok(existsSync(runs));
  });
});
