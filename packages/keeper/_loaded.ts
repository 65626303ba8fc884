import { registerHooks } from 'node:module';

// Preloaded into a keeper: notes every module that it loads, and says which they were when it ends.
const loaded: string[] = [];
registerHooks({
  load(url, context, next) {
    loaded.push(url);
    return next(url, context);
  },
});
process.once('exit', () => process.stderr.write(JSON.stringify(loaded)));
