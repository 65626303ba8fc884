import { once } from 'node:events';
import { instancePaths } from '../../config/paths.ts';
import { isServed } from '../client.ts';
import type { Command } from '../command.ts';
import { CliError } from '../errors.ts';
import { codeOf } from '../files.ts';
import { requireInstance } from '../instance.ts';

/** `amanat serve`: the gateway, until it is told to stop. */
export const serve: Command = {
  usage: '[--port N]',
  about:
    'Serves the API, the pages and the log’s static files on 127.0.0.1, and the commands of this machine over a Unix ' +
    'socket. Starts the keeper in a process of its own. Ctrl-C stops both, when what is under way is done.',
  example: 'amanat serve --dir ./amanat-data',
  options: { port: { value: 'N', help: 'another port than the settings name' } },
  words: [0, 0],
  async run(call) {
    requireInstance(call.dir);
    if (await isServed(instancePaths(call.dir).gatewaySocket)) {
      throw new CliError('refused', 'a gateway serves this instance already', {
        reason: 'already-serving',
      });
    }
    const port = call.arguments.text('port');
    const { startGateway } = await import('../../gateway.ts');
    await using gateway = await startGateway({
      dir: call.dir,
      ...(port === null
        ? {}
        : { port: call.arguments.integer('port', { min: 0, max: 65_535, otherwise: 0 }) }),
    }).catch((cause: unknown) => {
      if (codeOf(cause) !== 'EADDRINUSE') throw cause;
      throw new CliError('failed', 'another program listens on this port', {
        cause,
        reason: 'port-taken',
        remedy: 'end it, or name another port with --port (0 takes any that is free)',
      });
    });
    call.say(`Serving ${gateway.url} (Ctrl-C stops).`);
    if (!call.signal.aborted) await once(call.signal, 'abort');
    return { json: { stopped: true }, lines: ['Stopped.'] };
  },
};
