/// <reference types="node" />
import { builtinModules } from 'node:module';
import react from '@vitejs/plugin-react';
import type { Plugin } from 'vite';
import { defineConfig } from 'vite';

const builtins = new Set(builtinModules);

/**
 * Fails the build where anything of Node.js would reach the browser: Vite by itself only warns, and puts an
 * empty module in its place.
 */
function refuseNodeModules(): Plugin {
  return {
    name: 'refuse-node-modules',
    enforce: 'pre',
    resolveId(source, importer) {
      if (source.startsWith('node:') || builtins.has(source)) {
        this.error(
          `${source} is not for the browser, and is imported by ${importer ?? 'the entry'}`,
        );
      }
    },
    generateBundle(_options, bundle) {
      for (const output of Object.values(bundle)) {
        if (output.type !== 'chunk') continue;
        if (/__vite-browser-external|["'`]node:/.test(output.code)) {
          this.error(`${output.fileName} holds a module of Node.js`);
        }
      }
    },
  };
}

export default defineConfig({
  plugins: [refuseNodeModules(), react()],
  build: {
    outDir: 'dist',
    target: 'es2022',
    // A strict content security policy lets no data: URL and no inline script through.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
});
