import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RootShare } from '@amanat/core/keys';
import { formatShare, parseShare } from '@amanat/core/keys';
import { makeSheet } from './sheet.ts';

const SHARE: RootShare = {
  isRehearsal: false,
  ceremony: '0123456789abcdef',
  index: 2,
  threshold: 2,
  count: 3,
  value: new Uint8Array(32).fill(9),
};

test('a rehearsal’s sheet says so on text and page, and a real one does not', () => {
  const real = makeSheet(SHARE, 'log.example.org');
  const rehearsal = makeSheet({ ...SHARE, isRehearsal: true }, 'log.example.org');
  for (const part of ['text', 'page'] as const) {
    assert.doesNotMatch(real[part], /REHEARSAL/);
    assert.match(rehearsal[part], /REHEARSAL/);
  }
});

test('a sheet’s text is read as the share, with all that is written for people', () => {
  const { name, text } = makeSheet(SHARE, 'log.example.org/amanat');
  assert.equal(name, 'share-2-of-3');
  assert.match(text, /log\.example\.org\/amanat/);
  assert.match(text, /any 2 of them open/);
  assert.deepEqual(parseShare(text), SHARE);
});

test('a page holds the same lines and one code of them, and fetches nothing', () => {
  const { page } = makeSheet(SHARE, 'a<b&c');
  assert.ok(page.includes(formatShare(SHARE)));
  assert.ok(page.includes('a&lt;b&amp;c'));
  assert.equal(page.match(/<svg /g)?.length, 1);
  assert.doesNotMatch(page, /src=|href=|url\(|https?:/);
});
