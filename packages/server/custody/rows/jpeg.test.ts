import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import sharp from 'sharp';
import { rejectAdvice } from './codes.ts';
import { IMAGE_BYTES_MAX, inspectJpeg } from './jpeg.ts';

async function draw(width: number, height: number, progressive = false): Promise<Buffer> {
  const create = { width, height, channels: 3, background: { r: 20, g: 90, b: 60 } } as const;
  return sharp({ create }).jpeg({ progressive }).toBuffer();
}

const baseline = await draw(64, 40);
const progressive = await draw(48, 32, true);

/** Where a marker's segment begins. */
function find(bytes: Buffer, marker: number): number {
  const at = bytes.indexOf(Buffer.from([0xff, marker]));
  assert.ok(at > 0);
  return at;
}

function changed(bytes: Buffer, at: number, ...values: number[]): Buffer {
  const copy = Buffer.from(bytes);
  copy.set(values, at);
  return copy;
}

test('what is no JPEG is refused', () => {
  assert.equal(inspectJpeg(Buffer.alloc(0)), 'not-a-jpeg');
  assert.equal(inspectJpeg(Buffer.from([0xff])), 'not-a-jpeg');
  assert.equal(inspectJpeg(Buffer.from('\x89PNG\r\n\x1a\n', 'latin1')), 'not-a-jpeg');
});

test('a JPEG cut off anywhere is refused', () => {
  for (const whole of [baseline, progressive]) {
    for (let length = 2; length < whole.length; length++) {
      assert.equal(inspectJpeg(whole.subarray(0, length)), 'jpeg-truncated');
    }
  }
});

test('bytes after the end are refused', () => {
  assert.equal(inspectJpeg(Buffer.concat([baseline, Buffer.from([0])])), 'jpeg-trailing-bytes');
  assert.equal(inspectJpeg(Buffer.concat([baseline, baseline])), 'jpeg-trailing-bytes');
});

test('no size, or more pixels than the bound, is refused', () => {
  const frame = find(baseline, 0xc0);
  assert.equal(inspectJpeg(changed(baseline, frame + 5, 0, 0)), 'jpeg-dimensions');
  assert.equal(inspectJpeg(changed(baseline, frame + 7, 0, 0)), 'jpeg-dimensions');
  const large = changed(baseline, frame + 5, 0x13, 0x88, 0x0f, 0xa1);
  assert.equal(inspectJpeg(large), 'jpeg-dimensions');
  const limit = inspectJpeg(changed(baseline, frame + 5, 0x13, 0x88, 0x0f, 0xa0));
  assert.deepEqual(limit, { width: 4000, height: 5000, components: 3 });
});

test('kinds of JPEG that browsers do not show are refused', () => {
  const frame = find(baseline, 0xc0);
  for (const marker of [0xc3, 0xc5, 0xc9, 0xcf]) {
    assert.equal(inspectJpeg(changed(baseline, frame + 1, marker)), 'jpeg-unsupported');
  }
  assert.equal(inspectJpeg(changed(baseline, frame + 4, 12)), 'jpeg-unsupported');
});

test('segments that do not hold together are refused', () => {
  const frame = find(baseline, 0xc0);
  const scan = find(baseline, 0xda);
  assert.equal(inspectJpeg(changed(baseline, frame, 0x00)), 'jpeg-malformed');
  assert.equal(inspectJpeg(changed(baseline, frame + 2, 0, 1)), 'jpeg-malformed');
  assert.equal(inspectJpeg(changed(baseline, frame + 9, 4)), 'jpeg-malformed');
  const segment = baseline.subarray(frame, frame + 2 + baseline.readUInt16BE(frame + 2));
  const twice = Buffer.concat([baseline.subarray(0, frame), segment, baseline.subarray(frame)]);
  assert.equal(inspectJpeg(twice), 'jpeg-malformed');
  const unframed = Buffer.concat([
    baseline.subarray(0, frame),
    baseline.subarray(frame + segment.length),
  ]);
  assert.equal(inspectJpeg(unframed), 'jpeg-malformed');
  const unscanned = Buffer.concat([baseline.subarray(0, scan), Buffer.from([0xff, 0xd9])]);
  assert.equal(inspectJpeg(unscanned), 'jpeg-malformed');
  const endless = Buffer.concat([
    Buffer.from([0xff, 0xd8]),
    Buffer.alloc(5000 * 4, Buffer.from([0xff, 0xfe, 0, 2])),
  ]);
  assert.equal(inspectJpeg(endless), 'jpeg-malformed');
});

test('a file beyond the bound is refused before it is looked at', () => {
  assert.equal(inspectJpeg(Buffer.alloc(IMAGE_BYTES_MAX + 1)), 'image-too-large');
});

test('baseline, progressive and grey images are taken with their size', async () => {
  assert.deepEqual(inspectJpeg(baseline), { width: 64, height: 40, components: 3 });
  assert.deepEqual(inspectJpeg(progressive), { width: 48, height: 32, components: 3 });
  const grey = await sharp(baseline).toColourspace('b-w').jpeg().toBuffer();
  assert.deepEqual(inspectJpeg(grey), { width: 64, height: 40, components: 1 });
  const filled = Buffer.concat([
    baseline.subarray(0, 2),
    Buffer.from([0xff]),
    baseline.subarray(2),
  ]);
  assert.deepEqual(inspectJpeg(filled), { width: 64, height: 40, components: 3 });
});

test('restart markers and stuffed bytes inside a scan are walked over', () => {
  const end = baseline.length - 2;
  for (const inside of [
    [0xff, 0xd0],
    [0xff, 0xd7, 0xff, 0x00],
  ]) {
    const bytes = Buffer.concat([
      baseline.subarray(0, end),
      Buffer.from(inside),
      baseline.subarray(end),
    ]);
    assert.deepEqual(inspectJpeg(bytes), { width: 64, height: 40, components: 3 });
  }
});

test('any bytes, and any JPEG with changed bytes, give a size or a code', () => {
  const check = (bytes: Uint8Array): void => {
    const info = inspectJpeg(bytes);
    if (typeof info === 'string') assert.ok(info in rejectAdvice);
    else assert.ok(info.width > 0 && info.height > 0);
  };
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300, size: 'max' }), check), { numRuns: 500 });
  const position = fc.integer({ min: 0, max: baseline.length - 1 });
  const edits = fc.array(fc.tuple(position, fc.integer({ min: 0, max: 255 })), { maxLength: 6 });
  fc.assert(
    fc.property(edits, (changes) => {
      const copy = Buffer.from(baseline);
      for (const [at, value] of changes) copy[at] = value;
      check(copy);
    }),
    { numRuns: 1500 },
  );
});
