import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findTies } from './check-text.ts';

// Put together, lest the check find them here.
const PRIVATE = ['work', 'home/somebody', 'Users'].map((folder) => `/${folder}/`);

test('a path into a folder of one machine is found, with its line', () => {
  for (const path of PRIVATE) {
    assert.deepEqual(findTies('a.md', `first\nsee ${path}notes`), [
      'a.md:2: a path of one machine',
    ]);
  }
});

test('a path of the project and an address on the web are no ties', () => {
  for (const path of PRIVATE) {
    assert.deepEqual(findTies('a.md', `packages${path}x https://example.org${path}x`), []);
  }
});

test('a lock file that names a registry, or a package without a hash, is found', () => {
  const lock = (entry: object) =>
    findTies('package-lock.json', JSON.stringify({ packages: { 'node_modules/a': entry } }));
  assert.match(lock({ resolved: 'https://registry.example/a.tgz', integrity: 'x' }).join(), /host/);
  assert.match(lock({ version: '1.0.0' }).join(), /no hash/);
  assert.deepEqual(lock({ integrity: 'sha512-x' }), []);
  assert.deepEqual(lock({ resolved: 'packages/core', link: true }), []);
});

test('a registry in .npmrc is found', () => {
  assert.deepEqual(findTies('.npmrc', 'registry = https://registry.example'), [
    '.npmrc: names a registry',
  ]);
  assert.deepEqual(findTies('.npmrc', 'omit-lockfile-registry-resolved=true'), []);
});
