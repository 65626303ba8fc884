import { runCli } from './run.ts';

/** Entry of ./amanat: one command line, its exit code. */
const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    // Whoever asks twice does not want to wait.
    if (stop.signal.aborted) process.exit(130);
    stop.abort();
    // Whoever waits for what is typed is told too.
    process.stdin.destroy(Object.assign(new Error('stopped'), { name: 'AbortError' }));
  });
}
process.stdin.on('error', () => {
  // Told to whoever reads it.
});
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  // `amanat … | head` is no failure.
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

process.exitCode = await runCli(process.argv.slice(2), {
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  env: process.env,
  now: Date.now,
  signal: stop.signal,
});
