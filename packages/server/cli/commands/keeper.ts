import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { keeperArguments } from '@amanat/keeper/client';
import { readConfig } from '../../config/config.ts';
import { instancePaths } from '../../config/paths.ts';
import type { Command } from '../command.ts';
import { CliError } from '../errors.ts';
import { requireInstance } from '../instance.ts';

/** `amanat keeper`: the keeper in a process of its own, under its own administrators. */
export const keeper: Command = {
  usage: '[--passphrase-file FILE] [--group]',
  about:
    'Runs the keeper alone, in the foreground, for a gateway whose config.json says "keeper": "external". So the ' +
    'keeper can have another user and other administrators than the gateway, as it must for real records.',
  example: 'amanat keeper --dir ./amanat-data',
  options: {
    'passphrase-file': {
      value: 'FILE',
      help: 'the passphrase of its root key (the instance’s own)',
    },
    group: { help: 'let the socket’s group in, where the gateway is another user' },
  },
  words: [0, 0],
  async run(call) {
    requireInstance(call.dir);
    const paths = instancePaths(call.dir);
    const places = {
      dir: paths.keeper,
      socket: paths.keeperSocket,
      passphraseFile: call.arguments.text('passphrase-file') ?? paths.passphrase,
      standby: readConfig(call.dir).standby,
    };
    const group = call.arguments.flag('group');
    const child = spawn(process.execPath, keeperArguments(places, { group }), {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: {},
    });
    child.stdout.on('data', (said: Buffer) =>
      call.say(
        said.toString() === 'locked\n'
          ? 'The keeper is locked: its custodians unseal it by amanat ceremony unseal, or its device opens it (Ctrl-C stops).'
          : 'The keeper serves (Ctrl-C stops).',
      ),
    );
    const stop = () => child.kill('SIGTERM');
    call.signal.addEventListener('abort', stop, { once: true });
    const [code] = (await once(child, 'exit')) as [number | null];
    call.signal.removeEventListener('abort', stop);
    if (code !== 0 && !call.signal.aborted)
      throw new CliError('failed', 'the keeper ended by itself');
    return { json: { stopped: true }, lines: ['Stopped.'] };
  },
};
