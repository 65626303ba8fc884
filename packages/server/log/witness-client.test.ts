import assert from 'node:assert/strict';
import type { RequestListener, ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import type { TestContext } from 'node:test';
import { describe, it } from 'node:test';
import type { CosigningKey } from '@amanat/core/keys';
import { cosign, generateCosigningKey } from '@amanat/core/keys';
import { formatCheckpoint, formatNote } from '@amanat/core/log';
import type { CheckpointToCosign } from './witness-client.ts';
import { NotCosigned, WitnessClient } from './witness-client.ts';

const ORIGIN = 'log.test.example';
const NAME = 'witness.example/w';
const TIME_SECONDS = 1_795_500_000;
/** Longer than a client rests after any number of failures. */
const LONG_MS = 60_000;

type Kind = 'ed25519' | 'ml-dsa-44';
type Answer = (response: ServerResponse, body: Buffer) => void;

/** A witness that answers as the test says, and the client that asks it by a clock that the test moves. */
interface Bench {
  readonly key: CosigningKey;
  readonly client: WitnessClient;
  readonly asked: Buffer[];
  answer: Answer;
  now: number;
}

async function serve(
  t: TestContext,
  kind: Kind = 'ed25519',
  intervalMs: number | null = null,
): Promise<Bench> {
  const listener: RequestListener = async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks);
    bench.asked.push(body);
    bench.answer(response, body);
  };
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  const key = generateCosigningKey(kind, NAME);
  const client = new WitnessClient(key.public, `http://127.0.0.1:${port}/`, {
    // What is spaced is so by a clock that runs.
    ...(intervalMs === null ? { now: () => bench.now } : { intervalMs }),
  });
  const bench: Bench = { key, client, asked: [], answer: (response) => response.end(), now: 0 };
  t.after(() => {
    client.close();
    server.closeAllConnections();
    server.close();
  });
  return bench;
}

function textOf(size: number, origin = ORIGIN): string {
  return formatCheckpoint({ origin, size, root: new Uint8Array(32).fill(size) });
}

function checkpointOf(size: number): CheckpointToCosign {
  const log = { key: { name: ORIGIN, keyId: 1 }, signature: new Uint8Array(64) };
  return {
    size,
    note: formatNote(textOf(size), [log]),
    proofFrom: async (from) =>
      from === 0 || from === size ? [] : [new Uint8Array(32).fill(from & 0xff)],
  };
}

/** The line of a cosignature as a note has it. */
function line(key: CosigningKey, text: string): string {
  const note = formatNote(text, [cosign(key, text, TIME_SECONDS)]);
  return note.slice(note.lastIndexOf('\n\n') + 2);
}

/** What the body submits begins with: the size that the client takes the witness to stand at. */
const oldSize = (body: Buffer | undefined) => body?.toString().split('\n', 1)[0];

const refuses = (code: NotCosigned['code']) => (error: unknown) => {
  assert.ok(error instanceof NotCosigned, String(error));
  assert.equal(error.code, code);
  return true;
};

/** Answers that are no cosignature of the checkpoint of size 7, and what each is taken for. */
const LIES: readonly (readonly [string, NotCosigned['code'], (key: CosigningKey) => Answer])[] = [
  [
    'is of another checkpoint, of the same size',
    'lies',
    (key) => (response) => response.end(line(key, textOf(7, 'log.other.example'))),
  ],
  ['is of a smaller checkpoint', 'lies', (key) => (response) => response.end(line(key, textOf(6)))],
  ['is of a larger checkpoint', 'lies', (key) => (response) => response.end(line(key, textOf(8)))],
  [
    'is another witness’s',
    'lies',
    () => (response) => response.end(line(generateCosigningKey('ed25519', 'other'), textOf(7))),
  ],
  [
    'is of another key of its name',
    'lies',
    () => (response) => response.end(line(generateCosigningKey('ed25519', NAME), textOf(7))),
  ],
  [
    'is good, and a second line of its own is not',
    'lies',
    (key) => (response) => response.end(line(key, textOf(7)) + line(key, textOf(6))),
  ],
  [
    'is of more text, which stands before it',
    'lies',
    (key) => (response) => {
      const { note } = checkpointOf(7);
      response.end(`more\n\n${line(key, `${note}more\n`.replace('\n\n', '\n'))}`);
    },
  ],
  ['has no newline', 'lies', (key) => (response) => response.end(line(key, textOf(7)).trimEnd())],
  [
    'is no UTF-8 beside a good line',
    'lies',
    (key) => (response) => {
      const other = [Buffer.from('\u2014 '), Buffer.of(0xff), Buffer.from(' AAAAAAA=\n')];
      response.end(Buffer.concat([...other, Buffer.from(line(key, textOf(7)))]));
    },
  ],
  ['is no text at all', 'lies', () => (response) => response.end(Buffer.alloc(200, 0xff))],
  ['is empty', 'lies', () => (response) => response.end()],
  ['is one newline', 'lies', () => (response) => response.end('\n')],
  [
    'has more than 16 KiB beside a good line',
    'unreachable',
    (key) => (response) => {
      const { public: other } = generateCosigningKey('ed25519', 'ص'.repeat(250));
      const long = formatNote(
        textOf(7),
        Array.from({ length: 30 }, () => ({ key: other, signature: new Uint8Array(72) })),
      );
      response.end(long.slice(long.lastIndexOf('\n\n') + 2) + line(key, textOf(7)));
    },
  ],
  [
    'stops in the middle',
    'unreachable',
    (key) => (response) => {
      const good = line(key, textOf(7));
      response.writeHead(200, { 'content-length': good.length + 100 });
      response.write(good, () => response.destroy());
    },
  ],
  ['never begins', 'unreachable', () => (response) => response.destroy()],
  ['is no HTTP', 'unreachable', () => (response) => response.socket?.end('garbage\r\n\r\n')],
  [
    'sends elsewhere',
    'refuses',
    (key) => (response, body) => {
      // Whoever follows it comes back with a body, or without: neither is what was asked.
      const isFirst = oldSize(body) === 'old 0';
      if (isFirst) response.writeHead(307, { location: '/elsewhere' });
      response.end(line(key, textOf(7)));
    },
  ],
  [
    'is a good one with another status',
    'refuses',
    (key) => (response) => response.writeHead(202).end(line(key, textOf(7))),
  ],
  ['is 409 with garbage', 'refuses', () => (response) => response.writeHead(409).end('7')],
  [
    'is 409 with no number',
    'refuses',
    () => (response) => response.writeHead(409).end('99999999999999999999\n'),
  ],
  ['is 409 again and again', 'refuses', () => (response) => response.writeHead(409).end('5\n')],
  [
    'says that it is ahead',
    'ahead',
    () => (response) => response.writeHead(409).end('9000000000000000\n'),
  ],
];

describe('what a witness answers that is no cosignature settles as none, and it is asked again', () => {
  for (const [what, code, answer] of LIES) {
    it(`an answer that ${what}`, async (t) => {
      const bench = await serve(t);
      bench.answer = answer(bench.key);
      await assert.rejects(bench.client.cosign(checkpointOf(7)), refuses(code));
      // No further than the second question, to which a size may lead.
      assert.ok(bench.asked.length <= 2);
      bench.now += LONG_MS;
      bench.answer = (response) => response.end(line(bench.key, textOf(8)));
      assert.equal((await bench.client.cosign(checkpointOf(8))).timeSeconds, TIME_SECONDS);
      // What it said of itself is forgotten.
      assert.equal(oldSize(bench.asked.at(-1)), 'old 0');
    });
  }

  it('an ml-dsa-44 cosignature of another root', async (t) => {
    const bench = await serve(t, 'ml-dsa-44');
    bench.answer = (response) => response.end(line(bench.key, textOf(6)));
    await assert.rejects(bench.client.cosign(checkpointOf(7)), refuses('lies'));
  });
});

describe('a client of a witness', () => {
  it('takes its cosignature among others’ lines', async (t) => {
    for (const kind of ['ed25519', 'ml-dsa-44'] as const) {
      const bench = await serve(t, kind);
      const other = generateCosigningKey('ed25519', 'other.example');
      bench.answer = (response) =>
        response.end(line(other, textOf(3)) + line(bench.key, textOf(7)));
      const { key } = await bench.client.cosign(checkpointOf(7));
      assert.equal(key, bench.key.public);
    }
  });

  it('asks a second time from where the witness says that it stands', async (t) => {
    const bench = await serve(t);
    bench.answer = (response, body) => {
      if (oldSize(body) === 'old 0') response.writeHead(409).end('5\n');
      else response.end(line(bench.key, textOf(7)));
    };
    await bench.client.cosign(checkpointOf(7));
    assert.deepEqual(bench.asked.map(oldSize), ['old 0', 'old 5']);
  });

  it('does not ask one that stands ahead of the checkpoint, and then begins anew', async (t) => {
    const bench = await serve(t);
    bench.answer = (response) => response.end(line(bench.key, textOf(7)));
    await bench.client.cosign(checkpointOf(7));
    await assert.rejects(bench.client.cosign(checkpointOf(6)), refuses('ahead'));
    assert.equal(bench.asked.length, 1);
    bench.now += LONG_MS;
    await bench.client.cosign(checkpointOf(7));
    assert.deepEqual(bench.asked.map(oldSize), ['old 0', 'old 0']);
  });

  it('leaves one that failed alone for longer each time, up to a bound, and asks again after it', async (t) => {
    const bench = await serve(t);
    const ask = () => bench.client.cosign(checkpointOf(7));
    bench.answer = (response) => response.writeHead(500).end();
    for (const restMs of [250, 500, 1_000, 2_000, 4_000, 5_000, 5_000]) {
      const asked = bench.asked.length;
      await assert.rejects(ask(), refuses('refuses'));
      bench.now += restMs - 1;
      await assert.rejects(ask(), refuses('resting'));
      assert.equal(bench.asked.length, asked + 1);
      bench.now += 1;
    }
    bench.answer = (response) => response.end(line(bench.key, textOf(7)));
    await ask();
    bench.answer = (response) => response.writeHead(500).end();
    await assert.rejects(ask(), refuses('refuses'));
    bench.now += 250;
    await assert.rejects(ask(), refuses('refuses'));
  });

  it('asks about the latest of those that came meanwhile, and says of the others that they are overtaken', async (t) => {
    const bench = await serve(t);
    const held = new Promise<ServerResponse>((resolve) => {
      bench.answer = resolve;
    });
    const first = bench.client.cosign(checkpointOf(7));
    const second = bench.client.cosign(checkpointOf(8));
    const response = await held;
    const third = bench.client.cosign(checkpointOf(9));
    await assert.rejects(second, refuses('overtaken'));
    bench.answer = (later) => later.end(line(bench.key, textOf(9)));
    response.end(line(bench.key, textOf(7)));
    await first;
    await third;
    assert.deepEqual(bench.asked.map(oldSize), ['old 0', 'old 7']);
  });

  it('asks about the one that waited where the one before it failed', async (t) => {
    const bench = await serve(t);
    const held = new Promise<ServerResponse>((resolve) => {
      bench.answer = resolve;
    });
    const first = bench.client.cosign(checkpointOf(7));
    const response = await held;
    const second = bench.client.cosign(checkpointOf(8));
    bench.answer = (later) => later.end(line(bench.key, textOf(8)));
    response.end(line(bench.key, textOf(6)));
    await assert.rejects(first, refuses('lies'));
    await second;
  });

  it('settles what is open and what waits when it is closed', async (t) => {
    const bench = await serve(t);
    const held = new Promise<ServerResponse>((resolve) => {
      bench.answer = resolve;
    });
    const first = bench.client.cosign(checkpointOf(7));
    const second = bench.client.cosign(checkpointOf(8));
    await held;
    bench.client.close();
    await assert.rejects(second, refuses('overtaken'));
    await assert.rejects(first, refuses('unreachable'));
  });

  it('says of a checkpoint without a proof that it was not cosigned, and goes on', async (t) => {
    const bench = await serve(t);
    const proofFrom = () => Promise.reject(new Error('no such tree'));
    await assert.rejects(
      bench.client.cosign({ ...checkpointOf(7), proofFrom }),
      refuses('unreachable'),
    );
    bench.now += LONG_MS;
    bench.answer = (response) => response.end(line(bench.key, textOf(7)));
    await bench.client.cosign(checkpointOf(7));
  });

  it('one that may be asked so often is asked no oftener, whatever it answers', async (t) => {
    const intervalMs = 150;
    const times: number[] = [];
    const bench = await serve(t, 'ed25519', intervalMs);
    bench.answer = (response, body) => {
      times.push(performance.now());
      if (oldSize(body) === 'old 0')
        response.writeHead(409, { 'content-type': 'text/x.tlog.size' });
      response.end(oldSize(body) === 'old 0' ? '3\n' : line(bench.key, textOf(7)));
    };
    await bench.client.cosign(checkpointOf(7));
    await bench.client.cosign(checkpointOf(7));
    assert.equal(times.length, 3);
    const gaps = times.slice(1).map((time, at) => time - (times[at] as number));
    // A request may take longer on its way than the next.
    assert.ok(
      gaps.every((gap) => gap > intervalMs / 2),
      `${gaps}`,
    );
  });
});
