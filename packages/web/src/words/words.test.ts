/// <reference types="node" />
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as en from './en.ts';
import * as ur from './ur.ts';

function flatten(value: unknown, path = ''): readonly (readonly [string, string])[] {
  if (typeof value === 'string') return [[path, value]];
  return Object.entries(value as object).flatMap(([name, each]) =>
    flatten(each, path === '' ? name : `${path}.${name}`),
  );
}

test('every sentence exists in both languages, with the same places to fill in', () => {
  const urdu = new Map(flatten(ur.words));
  const english = flatten(en.words);
  assert.deepEqual(
    english.map(([path]) => path),
    [...urdu.keys()],
  );
  const places = (text: string) =>
    [...text.matchAll(/\{\{(\w+)\}\}/g)].map(([, name]) => name).sort();
  for (const [path, text] of english) {
    assert.notEqual(text, '', path);
    assert.deepEqual(places(urdu.get(path) ?? ''), places(text), path);
  }
});

test('every term has a name in both languages', () => {
  assert.deepEqual(Object.keys(en.terms), Object.keys(ur.terms));
});

test('urdu is written in urdu, but for the language switch and names of programs', () => {
  const latin = flatten(ur.words).filter(([, text]) => !/[\u0600-\u06ff]/.test(text));
  assert.deepEqual(
    latin.map(([path]) => path),
    ['otherLanguage'],
  );
});
