import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { base64, hex } from '@amanat/core/bytes';
import { leafHash } from '@amanat/core/log';
import type { RecordRead } from '@amanat/core/statement';
import { KeeperProcess } from './_process.ts';
import { CNIC, HOLDING, Trial } from './_trial.ts';
import { KeeperUnavailable } from './client.ts';
import type { Frame } from './frame.ts';
import { encodeFrame, FrameReader, packLeaves } from './frame.ts';

const PASSPHRASE = 'a trial passphrase';
const MSISDN = '+923980000001';

/** A trial whose keeper is to run in a process, by the machine's clock. */
async function remote(rows = 100_000): Promise<Trial> {
  const trial = await Trial.ready({ now: Date.now(), subjectsPerDay: 1_000_000, rows });
  trial.keeper.close();
  return trial;
}

function end(trial: Trial): void {
  rmSync(trial.dir, { recursive: true });
}

/** Until the other end has closed, however it did. */
function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.on('error', () => {}).once('close', () => resolve()));
}

/** A row drawn and its identity group's key, as they were acknowledged. */
interface Drawn {
  readonly value: string;
  readonly record: RecordRead;
  readonly key: Buffer;
}

async function draw(trial: Trial, row: number, value = CNIC, msisdn = MSISDN): Promise<Drawn> {
  const drawn = await trial.draw(row, value, msisdn);
  assert.ok(drawn !== null);
  const record = {
    holding: HOLDING,
    record: drawn.record,
    import: trial.importIndex,
    row,
    expiryMonth: drawn.expiryMonth,
    groups: [{ group: 'identity', nonce: drawn.nonce, sha256: '00'.repeat(32) }],
  };
  return { value, record, key: drawn.key };
}

async function prepare(trial: Trial, { value, record }: Drawn) {
  const [resolved] = await trial.resolve(trial.request({}, [trial.selector(value)]));
  assert.ok(resolved?.outcome === 'resolved', JSON.stringify(resolved));
  const { id } = resolved.lookUps[0] as { id: number };
  const prepared = await trial.prepare(id, [record]);
  assert.ok('leaf' in prepared, JSON.stringify(prepared));
  return { id, leaf: prepared.leaf };
}

describe('one keeper’s process', () => {
  let trial: Trial;
  let keeper: KeeperProcess;
  let second: KeeperProcess;
  before(async () => {
    trial = await remote();
    keeper = await KeeperProcess.start(trial);
    trial.port = keeper.client;
    // It waits for a dying keeper to let go, and meanwhile the other tests run.
    second = new KeeperProcess(trial, { socket: join(trial.dir, 'second.sock') });
  });
  after(async () => {
    await keeper.stop();
    await second.stop();
    end(trial);
  });

  it('only its own user can reach its socket and its files', async () => {
    await trial.ask('status', {});
    for (const name of [
      'keeper.sock',
      'ceremony.sock',
      'keeper.db',
      'keeper.db-wal',
      'keeper.lock',
    ]) {
      assert.equal(statSync(join(trial.dir, name)).mode & 0o077, 0, name);
    }
  });

  it('a second connection is refused while the first lasts, and the first goes on', async () => {
    await trial.ask('status', {});
    const other = createConnection({ path: join(trial.dir, 'keeper.sock') });
    other.write(encodeFrame({ id: 1, name: 'status', body: {} }));
    let answered = false;
    other.on('data', () => {
      answered = true;
    });
    await closed(other);
    assert.equal(answered, false);
    await trial.ask('status', {});
  });

  it('a connection that breaks makes room for the next', async () => {
    await keeper.client[Symbol.asyncDispose]();
    const asked = async (): Promise<number> => {
      try {
        return (await trial.ask('status', {})).answer.size;
      } catch (error) {
        assert.ok(error instanceof KeeperUnavailable);
        await sleep(20);
        return asked();
      }
    };
    assert.equal(await asked(), trial.range.size);
  });

  it('frames that are no questions end their connection and not the keeper', async () => {
    await keeper.client[Symbol.asyncDispose]();
    const nested = `${'['.repeat(50_000)}${']'.repeat(50_000)}`;
    const raw = (text: string) => {
      const json = Buffer.from(text);
      const head = Buffer.alloc(8);
      head.writeUInt32BE(4 + json.length, 0);
      head.writeUInt32BE(json.length, 4);
      return Buffer.concat([head, json]);
    };
    for (const bytes of [
      raw('null'),
      raw('1'),
      raw('"x"'),
      raw('[]'),
      raw('{}'),
      raw('{"id":1,"name":{"toString":1},"body":{}}'),
      raw(`{"id":${nested},"name":"status","body":{}}`),
      raw(`{"id":1,"name":${nested},"body":{}}`),
      raw('{"id":null,"name":"status","body":{}}'),
      Buffer.alloc(4),
      Buffer.alloc(8, 0xff),
    ]) {
      const socket = createConnection({ path: join(trial.dir, 'keeper.sock') });
      socket.write(bytes);
      socket.resume();
      await closed(socket);
      await sleep(10);
    }
    assert.equal((await trial.ask('status', {})).answer.size, trial.range.size);
    assert.equal(keeper.errors, '');
  });

  it('questions with any body are answered by their id, in their order', async () => {
    await keeper.client[Symbol.asyncDispose]();
    await sleep(50);
    const socket = createConnection({ path: join(trial.dir, 'keeper.sock') });
    const reader = new FrameReader();
    const frames: Frame[] = [];
    const bodies = ['null', '[]', '"x"', '{"__proto__":{}}', '{"asks":[null]}', '{"asks":[[]]}'];
    const names = ['resolve', 'status', '__proto__', 'constructor', ''];
    const expected: number[] = [];
    for (const name of names) {
      for (const body of bodies) {
        expected.push(expected.length);
        const json = { id: expected.length - 1, name, body: JSON.parse(body) as unknown };
        socket.write(encodeFrame(json));
      }
    }
    for await (const chunk of socket) {
      frames.push(...reader.push(chunk as Buffer));
      if (frames.length === expected.length) break;
    }
    assert.deepEqual(
      frames.map(({ json }) => (json as { id: number }).id),
      expected,
    );
  });

  it('a second keeper on the same folder ends with status 1 and says why', async () => {
    assert.equal(await second.ended, 1);
    assert.match(second.errors, /another keeper serves it/);
    assert.equal(existsSync(join(trial.dir, 'second.sock')), false);
    await sleep(50);
    assert.equal((await trial.ask('status', {})).answer.size, trial.range.size);
  });
});

describe('a keeper’s process ends', () => {
  let trial: Trial;
  before(async () => {
    trial = await remote();
  });
  after(() => end(trial));

  it('with status 1, a clear word and no secret, on a wrong passphrase', async () => {
    const wrong = 'another passphrase 77';
    const path = trial.passphraseFile();
    const keeper = new KeeperProcess({
      dir: trial.dir,
      passphraseFile: () => {
        writeFileSync(path, wrong);
        return path;
      },
    } as Trial);
    assert.equal(await keeper.ended, 1);
    assert.match(keeper.errors, /^keeper: root key does not unlock[^\n]*\n$/);
    assert.ok(!keeper.errors.includes(wrong) && !keeper.errors.includes(PASSPHRASE));
    assert.equal(existsSync(join(trial.dir, 'keeper.sock')), false);
  });

  it('with status 1 where its database is gone or is another file', async () => {
    const empty = new KeeperProcess({
      dir: join(trial.dir, 'nowhere'),
      passphraseFile: () => trial.passphraseFile(),
    } as Trial);
    assert.equal(await empty.ended, 1);
    assert.match(empty.errors, /^keeper: /);
  });

  it('when its standard input closes, where it is embedded', async () => {
    const keeper = await KeeperProcess.start(trial, { embedded: true });
    trial.port = keeper.client;
    await trial.ask('status', {});
    keeper.child.stdin?.end();
    assert.equal(await keeper.ended, 0);
  });

  it('not when its standard input closes, where it is not', async () => {
    const keeper = await KeeperProcess.start(trial);
    trial.port = keeper.client;
    keeper.child.stdin?.end();
    await sleep(100);
    await trial.ask('status', {});
    assert.equal(await keeper.stop(), 0);
  });

  it('on a signal, after what was asked is answered', async () => {
    const keeper = await KeeperProcess.start(trial);
    trial.port = keeper.client;
    const asked = Array.from({ length: 20 }, (_, at) => draw(trial, at + 1));
    await asked[0];
    keeper.child.kill('SIGTERM');
    const settled = await Promise.allSettled(asked);
    assert.equal(await keeper.ended, 0);
    assert.equal(keeper.errors, '');
    assert.ok(settled.some(({ status }) => status === 'fulfilled'));
  });
});

describe('a keeper that is killed in the middle of batches', () => {
  it('has lost nothing that it acknowledged, goes never back, and releases no entry twice', async () => {
    const trial = await remote();
    const leaves: Uint8Array[] = [];
    const base = trial.range.size;
    const drawn: Drawn[] = [];
    const released = new Map<number, number>();
    const entered: { readonly id: number; readonly leaf: Uint8Array }[] = [];
    let acknowledged = base;
    let row = 0;

    /** Commits what the log has and the keeper does not, as a gateway does after a start. */
    const commit = async (wanted: readonly number[]) => {
      const { size } = (await trial.ask('status', {})).answer;
      assert.ok(size >= acknowledged, 'the watermark went back');
      const missing = leaves.slice(size - base);
      const { answer, attachment } = await trial.ask(
        'commit',
        { checkpoint: trial.checkpoint(), leaves: missing.length, wanted },
        packLeaves(missing),
      );
      acknowledged = answer.size;
      for (const { id } of answer.released) released.set(id, (released.get(id) ?? 0) + 1);
      return { answer, attachment };
    };
    const work = async () => {
      for (;;) {
        const value = `012340${String(row % 7).padStart(7, '0')}`;
        drawn.push(await draw(trial, ++row, value, `+9239800000${10 + (row % 7)}`));
        const one = await prepare(trial, drawn.at(-1) as Drawn);
        leaves.push(one.leaf);
        entered.push(one);
        trial.range.append(leafHash(one.leaf));
        await commit([one.id]);
      }
    };

    for (let round = 0; round < 5; round++) {
      const keeper = await KeeperProcess.start(trial);
      trial.port = keeper.client;
      const working = work().catch((error: unknown) => {
        if (!(error instanceof KeeperUnavailable)) throw error;
      });
      const enough = drawn.length + 3;
      while (drawn.length < enough) await Promise.race([working, sleep(5)]);
      await sleep(7 * round);
      await keeper.kill();
      await working;
    }

    const keeper = await KeeperProcess.start(trial);
    trial.port = keeper.client;
    await commit(entered.map(({ id }) => id));
    // Every leaf that was ever prepared, once more: none of them is worth anything a second time.
    for (const { leaf } of entered) {
      leaves.push(leaf);
      trial.range.append(leafHash(leaf));
    }
    const again = await commit(entered.map(({ id }) => id));
    assert.deepEqual(again.answer.released, []);
    assert.ok([...released.values()].every((times) => times === 1));
    // Each key that was ever given out for writing is released for reading.
    for (const each of drawn) {
      const { id, leaf } = await prepare(trial, each);
      leaves.push(leaf);
      trial.range.append(leafHash(leaf));
      const { attachment } = await commit([id]);
      assert.ok(each.key.equals(attachment));
    }
    assert.equal((await trial.ask('status', {})).answer.size, trial.range.size);
    await keeper.stop();
    end(trial);
  });
});

describe('a keeper whose disk is full', () => {
  it('ends without an answer, and after a start has all that it acknowledged', async (t) => {
    if (process.platform === 'win32') return t.skip('there is no ulimit');
    const trial = await remote();
    const limited = await KeeperProcess.start(trial, { limit: 512 });
    trial.port = limited.client;
    const drawn: Drawn[] = [];
    await assert.rejects(async () => {
      for (let row = 1; row < 5_000; row++) {
        const value = `01234${String(row).padStart(8, '0')}`;
        drawn.push(await draw(trial, row, value, `+92398${String(row).padStart(7, '0')}`));
      }
    }, KeeperUnavailable);
    assert.equal(await limited.ended, 1);
    assert.match(limited.errors, /^keeper: [^\n]*(full|disk|I\/O)[^\n]*\n$/);
    assert.ok(!limited.errors.includes('01234'));
    assert.ok(drawn.length > 10);

    const keeper = await KeeperProcess.start(trial);
    trial.port = keeper.client;
    for (const each of [drawn[0], drawn.at(-1)] as const) {
      assert.ok(each);
      const { id, leaf } = await prepare(trial, each);
      const { attachment } = await trial.append([leaf], [id]);
      assert.ok(each.key.equals(attachment));
    }
    await keeper.stop();
    end(trial);
  });
});

describe('what is on the keeper’s disk', () => {
  it('holds no identifier, code, passphrase, case, or key that is not wrapped', async () => {
    const trial = await remote();
    const keeper = await KeeperProcess.start(trial);
    trial.port = keeper.client;
    const { key, record } = await draw(trial, 1);
    const { id, leaf } = await prepare(trial, { value: CNIC, record, key });
    await trial.append([leaf], [id]);
    const byNumber = trial.request({ authority: 'order of the fifth court', case: 'case-55' }, [
      trial.selector(MSISDN, 'msisdn'),
    ]);
    await trial.resolve(byNumber);
    const code = hex(randomBytes(16));
    const [handedOut] = await trial.resolve({
      kind: 'code',
      signed: trial.signed(trial.registrar, {
        type: 'code',
        identifier: { type: 'cnic', value: CNIC },
        codeHash: createHash('sha256').update(code).digest('hex'),
        nonce: hex(randomBytes(16)),
        time: trial.now,
      }),
    });
    assert.equal(handedOut?.outcome, 'resolved');

    const planted = {
      'the identity number': [CNIC, '01234-1234567-1'],
      'the phone number': [MSISDN, MSISDN.slice(1), MSISDN.slice(3)],
      'the access code': [code],
      'the passphrase': [PASSPHRASE],
      'the case': ['case-55', 'fifth court'],
      'a salt of a selector': byNumber.selectors.map(({ salt }) => salt),
      'the record key': [key, hex(key), base64(key)],
    };
    const look = () => {
      let bytes = 0;
      for (const name of readdirSync(trial.dir)) {
        if (!name.startsWith('keeper.db') && name !== 'keeper.lock') continue;
        const content = readFileSync(join(trial.dir, name));
        bytes += content.length;
        for (const [what, forms] of Object.entries(planted)) {
          for (const form of forms) assert.ok(!content.includes(form), `${name} holds ${what}`);
        }
      }
      return bytes;
    };
    const running = look();
    assert.ok(running > 100_000, `${running} bytes were searched`);
    await keeper.stop();
    look();
    // The search itself finds what is there: a name that stands in a public document.
    const content = readFileSync(join(trial.dir, 'keeper.db'));
    assert.ok(content.includes(trial.officer.public.text));
    end(trial);
  });
});
