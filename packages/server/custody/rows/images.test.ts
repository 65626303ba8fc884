import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import sharp from 'sharp';
import { declarationOf, gather, inChunks } from './_sample.ts';
import { readCardName } from './card-name.ts';
import { rejectAdvice } from './codes.ts';
import { decodeFrames, encodeFrames } from './frames.ts';
import { readImages } from './images.ts';
import { IMAGE_BYTES_MAX } from './jpeg.ts';

const cards = declarationOf('identity-card-images');
const synthetic = { identifiers: 'synthetic' } as const;
const create = { width: 32, height: 20, channels: 3, background: '#146b4a' } as const;
const jpeg = await sharp({ create }).jpeg().toBuffer();

async function read(files: readonly (readonly [string, Buffer])[], batchFiles = 64) {
  const sources = files.map(([name, bytes]) => ({ name, size: bytes.length, content: [bytes] }));
  const stream = Buffer.concat(await Array.fromAsync(encodeFrames(sources)));
  const opened = readImages(decodeFrames(inChunks(stream, 1000)), cards, {
    ...synthetic,
    batchFiles,
  });
  assert.ok(opened.ok);
  return gather(opened.batches);
}

test('a name that is no card’s is refused', () => {
  for (const name of [
    'card.jpg',
    '00001-0000001-1.jpg',
    '00001-0000001-1.side.jpg',
    '00001-0000001-1.front.png',
    '00001-0000001-1.front.jpg.exe',
    'x00001-0000001-1.front.jpg',
    '../00001-0000001-1.front.jpg',
    '000010-000001-1.front.jpg',
    '00001-0000001-1.front.jpg\n',
  ]) {
    assert.equal(readCardName(name, 'synthetic'), 'bad-file-name');
  }
  assert.equal(readCardName('35202-1234567-1.front.jpg', 'synthetic'), 'real-identifier');
  assert.equal(readCardName('00001-0000001-1.front.jpg', 'real'), 'synthetic-identifier');
});

test('a card’s name gives whose it is and which side', () => {
  for (const name of ['00001-0000001-1.back.jpg', '0000100000011.BACK.JPEG']) {
    const named = readCardName(name, 'synthetic');
    assert.ok(typeof named === 'object');
    assert.deepEqual([named.cnic.normalised, named.side], ['0000100000011', 'back']);
  }
});

test('any name is a card’s or refused', () => {
  fc.assert(
    fc.property(fc.string(), (name) => {
      const named = readCardName(name, 'synthetic');
      assert.ok(typeof named !== 'string' || named in rejectAdvice);
    }),
    { numRuns: 300 },
  );
});

test('files are taken or rejected by their place, and no name is repeated', async () => {
  const result = await read(
    [
      ['00001-0000001-1.front.jpg', jpeg],
      ['planted-name.jpg', jpeg],
      ['35202-1234567-1.front.jpg', jpeg],
      ['00001-0000001-1.back.jpg', jpeg.subarray(0, -10)],
      ['00001-0000002-1.back.jpg', Buffer.alloc(IMAGE_BYTES_MAX + 1)],
      ['00001-0000002-1.front.jpg', Buffer.alloc(0)],
      ['0000100000021.back.jpg', jpeg],
    ],
    2,
  );
  assert.deepEqual(
    result.rejections.map(({ row, column, code }) => [row, column, code]),
    [
      [2, null, 'bad-file-name'],
      [3, 'cnic', 'real-identifier'],
      [4, 'image', 'jpeg-truncated'],
      [5, 'image', 'image-too-large'],
      [6, 'image', 'not-a-jpeg'],
    ],
  );
  assert.deepEqual(result.totals, { lines: 7, blankLines: 0, rows: 7, accepted: 2, rejected: 5 });
  assert.deepEqual(result.rows[0]!.values, [
    { recorded: '00001-0000001-1', normalised: '0000100000011' },
    { recorded: 'front', normalised: 'front' },
    { bytes: jpeg },
  ]);
  assert.equal(result.rows[1]!.row, 7);
  assert.ok(!JSON.stringify(result.rejections).includes('planted'));
});

test('a declaration without an image, or that requires more, takes no images', () => {
  const none = decodeFrames(inChunks(Buffer.alloc(0)));
  const sims = readImages(none, declarationOf('sim-registrations'), synthetic);
  assert.equal(sims.ok ? null : sims.code, 'missing-columns');
  const name = { ...declarationOf('sim-registrations').fields[1]! };
  const more = readImages(none, { ...cards, fields: [...cards.fields, name] }, synthetic);
  assert.deepEqual(more, { ok: false, code: 'missing-columns', names: ['name'] });
});

test('a file that says it is too large is not read', async () => {
  async function* files() {
    const content = { [Symbol.asyncIterator]: () => assert.fail('read') };
    yield { name: '00001-0000001-1.front.jpg', size: 2 ** 40, content };
  }
  const opened = readImages(files(), cards, synthetic);
  assert.ok(opened.ok);
  const { rejections } = await gather(opened.batches);
  assert.deepEqual(
    rejections.map(({ code }) => code),
    ['image-too-large'],
  );
});
