import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { deviceArguments } from '@amanat/keeper/client';
import { readConfig } from '../../config/config.ts';
import { instancePaths } from '../../config/paths.ts';
import { deviceEnvironment } from '../../embedded-process.ts';
import type { Command } from '../command.ts';
import { CliError } from '../errors.ts';
import { requireInstance } from '../instance.ts';

/** `amanat device`: the process that talks to the device with the root's key, beside a keeper on its own. */
export const device: Command = {
  usage: '[--pin-file FILE] [--socket PATH] [--group]',
  about:
    'Runs, in the foreground, the process that alone talks to the device with the root’s key, for a keeper that amanat ' +
    'keeper runs. The device, the key’s id and the PIN’s file are those of config.json. A PIN that the token does not ' +
    'take is not tried again.',
  example: 'amanat device --dir ./amanat-data --pin-file /run/credentials/pin',
  options: {
    'pin-file': { value: 'FILE', help: 'the file with the PIN (that of config.json)' },
    socket: { value: 'PATH', help: 'where it listens (device.sock in the keeper’s folder)' },
    group: { help: 'let the socket’s group in, where the keeper is another user' },
  },
  words: [0, 0],
  async run(call) {
    requireInstance(call.dir);
    const { device: settings } = readConfig(call.dir);
    if (settings === null) {
      throw new CliError('failed', 'config.json names no device', {
        remedy: 'add "device": {"module", "token", "key", "pinFile"} to it',
      });
    }
    const places = {
      ...settings,
      pinFile: call.arguments.text('pin-file') ?? settings.pinFile,
      socket: call.arguments.text('socket') ?? instancePaths(call.dir).deviceSocket,
    };
    const group = call.arguments.flag('group');
    const child = spawn(process.execPath, deviceArguments(places, { group }), {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: deviceEnvironment(),
    });
    child.stdout.once('data', () => call.say('The keeper may ask for its device (Ctrl-C stops).'));
    const stop = () => child.kill('SIGTERM');
    call.signal.addEventListener('abort', stop, { once: true });
    const [code] = (await once(child, 'exit')) as [number | null];
    call.signal.removeEventListener('abort', stop);
    if (code !== 0 && !call.signal.aborted) {
      throw new CliError('failed', 'the device’s process ended by itself');
    }
    return { json: { stopped: true }, lines: ['Stopped.'] };
  },
};
