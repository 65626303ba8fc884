import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import sharp from 'sharp';
import { CARD_HEIGHT, CARD_WIDTH, drawCard } from './card.ts';
import { writeIdentityCards } from './identity-cards.ts';
import { FAMILY_NAMES, GIVEN_NAMES } from './names.ts';
import { generatePeople } from './people.ts';
import { drawText } from './strokes.ts';

const people = generatePeople('seed', 10, '2026-11-23').slice(0, 6);
let dir: string;

before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'amanat-cards-'));
});
after(() => rm(dir, { recursive: true }));

test('a card asks for no font', () => {
  for (const person of people) assert.doesNotMatch(drawCard(person), /<text|font/);
});

test('every character of every name and number has strokes', () => {
  const letters = [...GIVEN_NAMES.man, ...GIVEN_NAMES.woman, ...FAMILY_NAMES]
    .map((name) => name.english)
    .join('');
  for (const letter of new Set(`${letters}0123456789-`)) {
    assert.match(drawText(letter, { x: 0, y: 0, height: 10, colour: '#000' }), /<path/, letter);
  }
});

test('what is not in the pen’s alphabet cannot reach the picture', () => {
  const drawn = drawText('"/><script>&', { x: 0, y: 0, height: 10, colour: '#000' });
  assert.doesNotMatch(drawn, /script|&/i);
});

test('each card is a whole JPEG of 640 by 400 pixels, named by the identifier, and told by size', async () => {
  const told: number[] = [];
  const written = await writeIdentityCards(join(dir, 'cards'), people, {
    onProgress: (cards) => told.push(cards),
  });
  assert.deepEqual(told, [4, 6]);
  const names = await readdir(join(dir, 'cards'));
  assert.deepEqual(names.toSorted(), people.map((person) => `${person.cnic}.front.jpg`).toSorted());
  let sizeBytes = 0;
  for (const name of names) {
    const jpeg = await readFile(join(dir, 'cards', name));
    sizeBytes += jpeg.length;
    assert.deepEqual([...jpeg.subarray(0, 3)], [0xff, 0xd8, 0xff]);
    assert.deepEqual([...jpeg.subarray(-2)], [0xff, 0xd9]);
    assert.ok(jpeg.length > 30_000 && jpeg.length < 60_000, `${jpeg.length} bytes`);
    const { format, width, height } = await sharp(jpeg).metadata();
    assert.deepEqual(
      { format, width, height },
      { format: 'jpeg', width: CARD_WIDTH, height: CARD_HEIGHT },
    );
  }
  assert.deepEqual(written, { cards: people.length, sizeBytes });
});

test('the same person gives the same bytes, another person others', async () => {
  const [first, second] = people;
  assert.ok(first && second);
  for (const folder of ['one', 'two']) await writeIdentityCards(join(dir, folder), [first]);
  const name = `${first.cnic}.front.jpg`;
  assert.ok(
    (await readFile(join(dir, 'one', name))).equals(await readFile(join(dir, 'two', name))),
  );
  assert.notEqual(drawCard(first), drawCard(second));
});
