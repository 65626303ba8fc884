/// <reference types="node" />
import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { build } from 'vite';

const root = join(import.meta.dirname, '..');
const configFile = join(root, 'vite.config.ts');

/** A phone on a slow line waits for these bytes: everything but the font, which blocks nothing. */
const SCRIPT_GZIP_BYTES_MAX = 132_000;
const STYLE_GZIP_BYTES_MAX = 6_000;

async function inFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'amanat-build-'));
  try {
    await use(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

test('the build fails where a module of node would reach the browser', async () => {
  await inFolder(async (folder) => {
    await writeFile(join(folder, 'index.html'), '<script type="module" src="/a.js"></script>');
    await writeFile(join(folder, 'a.js'), "import { hash } from 'node:crypto'; console.log(hash);");
    await assert.rejects(
      build({ root: folder, configFile, logLevel: 'silent' }),
      /node:crypto is not for the browser/,
    );
  });
});

test('the pages have nothing inline, nothing from elsewhere, and stay small', async (context) => {
  await inFolder(async (folder) => {
    await build({ root, configFile, logLevel: 'silent', build: { outDir: folder } });
    const html = await readFile(join(folder, 'index.html'), 'utf8');
    assert.doesNotMatch(html, /<style|\son\w+=|style=|<script(?![^>]*\ssrc=)|https?:/);
    const sizes: Record<string, number> = { js: 0, css: 0, woff2: 0 };
    for (const name of await readdir(join(folder, 'assets'))) {
      const kind = name.slice(name.lastIndexOf('.') + 1);
      const bytes = await readFile(join(folder, 'assets', name));
      const size = kind === 'woff2' ? bytes.length : gzipSync(bytes).length;
      sizes[kind] = (sizes[kind] ?? 0) + size;
      if (kind === 'css') assert.doesNotMatch(bytes.toString(), /data:|https?:/);
    }
    context.diagnostic(`bytes sent: ${JSON.stringify(sizes)}`);
    // Both languages together, of which a visit loads one.
    assert.ok((sizes.js ?? 0) < SCRIPT_GZIP_BYTES_MAX, `${sizes.js} bytes of script`);
    assert.ok((sizes.css ?? 0) < STYLE_GZIP_BYTES_MAX, `${sizes.css} bytes of style`);
  });
});
