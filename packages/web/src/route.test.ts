/// <reference types="node" />
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chooseLanguage, hrefOf, pageOf } from './route.ts';

test('each page has its path, and any other path is the person’s page', () => {
  for (const page of ['person', 'register', 'log'] as const) {
    assert.equal(pageOf(new URL(hrefOf(page, 'ur'), 'http://a').pathname), page);
  }
  assert.equal(pageOf('/register/'), 'register');
  assert.equal(pageOf('/nothing'), 'person');
});

test('the language is the one asked for, else the browser’s first that is spoken here, else english', () => {
  assert.equal(chooseLanguage('?lang=ur', ['en']), 'ur');
  assert.equal(chooseLanguage('?lang=xx', ['de', 'ur-PK', 'en']), 'ur');
  assert.equal(chooseLanguage('', ['en-GB', 'ur']), 'en');
  assert.equal(chooseLanguage('', []), 'en');
});
