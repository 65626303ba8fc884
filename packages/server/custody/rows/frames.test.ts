import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { inChunks } from './_sample.ts';
import type { FrameBounds, FrameCode, NamedSource } from './frames.ts';
import { decodeFrames, encodeFrames, FrameError } from './frames.ts';

type Plain = readonly [name: string, content: Buffer];

function sourceOf([name, content]: Plain): NamedSource {
  return { name, size: content.length, content: [content] };
}

async function encode(files: readonly Plain[]): Promise<Buffer> {
  return Buffer.concat(await Array.fromAsync(encodeFrames(files.map(sourceOf))));
}

async function decode(
  bytes: Uint8Array,
  chunk = 65536,
  bounds: FrameBounds = {},
): Promise<Plain[]> {
  const files: Plain[] = [];
  for await (const file of decodeFrames(inChunks(bytes, chunk), bounds)) {
    const content = Buffer.concat(await Array.fromAsync(file.content));
    assert.equal(content.length, file.size);
    files.push([file.name, content]);
  }
  return files;
}

async function refusedAs(code: FrameCode, work: Promise<unknown>): Promise<void> {
  await assert.rejects(work, (error) => error instanceof FrameError && error.code === code);
}

function frame(name: Uint8Array, size: bigint, content: Uint8Array): Buffer {
  const head = Buffer.alloc(2);
  head.writeUInt16BE(name.length);
  const length = Buffer.alloc(8);
  length.writeBigUInt64BE(size);
  return Buffer.concat([head, name, length, content]);
}

const two: readonly Plain[] = [
  ['00001-0000001-1.front.jpg', Buffer.from('first')],
  ['علی.jpg', Buffer.alloc(0)],
];

test('a stream cut off anywhere but between files is refused', async () => {
  const whole = await encode(two);
  const boundary = 2 + two[0]![0].length + 8 + 5;
  for (let length = 0; length < whole.length; length++) {
    const cut = whole.subarray(0, length);
    if (length === 0 || length === boundary) await decode(cut);
    else await refusedAs('frame-truncated', decode(cut));
  }
});

test('a cut inside a file that was not read is refused at the next', async () => {
  const cut = (await encode([two[0]!])).subarray(0, -1);
  await refusedAs('frame-truncated', Array.fromAsync(decodeFrames(inChunks(cut))));
});

test('names that are none are refused on both sides', async () => {
  for (const name of ['', '.', '..', 'a/b', 'a\\b', 'a\0', 'a\n', 'x'.repeat(256)]) {
    await refusedAs('frame-bad-name', encode([[name, Buffer.from('x')]]));
    await refusedAs('frame-bad-name', decode(frame(Buffer.from(name), 0n, Buffer.alloc(0))));
  }
  await refusedAs('frame-bad-name', encode([['\ud800', Buffer.from('x')]]));
  await refusedAs('frame-bad-name', decode(frame(Buffer.from([0xff]), 0n, Buffer.alloc(0))));
});

test('a file beyond the bound, and more files than the bound, are refused', async () => {
  await refusedAs(
    'frame-too-large',
    decode(frame(Buffer.from('a'), 2n ** 64n - 1n, Buffer.alloc(0))),
  );
  await refusedAs('frame-too-large', decode(await encode(two), 65536, { fileBytesMax: 4 }));
  await refusedAs('frame-too-many', decode(await encode(two), 65536, { filesMax: 1 }));
});

test('a source that gives more or fewer bytes than it said is refused', async () => {
  for (const size of [0, 4, 6, -1, 1.5]) {
    const files = [{ name: 'a', size, content: [Buffer.from('12345')] }];
    await refusedAs('frame-wrong-size', Array.fromAsync(encodeFrames(files)));
  }
});

test('no message holds a name', async () => {
  const error = await decode(frame(Buffer.from('00001/0000001'), 0n, Buffer.alloc(0))).catch(
    (e) => e,
  );
  assert.ok(!String(error).includes('00001'));
});

test('what was not read of a file is passed over', async () => {
  const whole = await encode([
    ['a', Buffer.alloc(5000, 1)],
    ['b', Buffer.from('x')],
  ]);
  const names: string[] = [];
  for await (const file of decodeFrames(inChunks(whole, 7))) {
    names.push(file.name);
    for await (const _ of file.content) break;
  }
  assert.deepEqual(names, ['a', 'b']);
});

test('ending early ends the source', async () => {
  let ended = false;
  async function* source() {
    try {
      yield await encode(two);
    } finally {
      ended = true;
    }
  }
  for await (const _ of decodeFrames(source())) break;
  assert.equal(ended, true);
});

test('the bytes are those described', async () => {
  assert.equal(
    (await encode([['a', Buffer.from('xy')]])).toString('hex'),
    '0001610000000000000002' + '7879',
  );
});

test('what was encoded is decoded, however it is cut', async () => {
  const letter = fc.constantFrom('a', 'ع', '-', ' ', '\ufeff', '😀', '9');
  const name = fc.string({ unit: letter, minLength: 1, maxLength: 20 });
  const content = fc.uint8Array({ maxLength: 50 }).map((bytes) => Buffer.from(bytes));
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(name, content), { maxLength: 6 }),
      fc.integer({ min: 1, max: 30 }),
      async (files, chunk) => {
        assert.deepEqual(await decode(await encode(files), chunk), files);
      },
    ),
    { numRuns: 150 },
  );
});

test('any bytes are files or a typed error', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 60 }), async (bytes) => {
      await decode(bytes, 5).catch((error) => assert.ok(error instanceof FrameError));
    }),
    { numRuns: 300 },
  );
});
