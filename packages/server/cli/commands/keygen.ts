import { existsSync } from 'node:fs';
import { exportSigningKey, generateSigningKey } from '@amanat/core/keys';
import type { Command } from '../command.ts';
import { CliError, wrongUsage } from '../errors.ts';
import { writePrivate } from '../files.ts';
import type { Enrolment } from '../keys.ts';
import { ENROLMENT_ROLES } from '../keys.ts';

/** `amanat keygen`: a signing key, drawn where its owner sits. */
export const keygen: Command = {
  usage: '--role ROLE --out KEY [--person P --agency A --line L] [--kind ed25519|p256]',
  about:
    'Draws a signing key. The private key goes into KEY, which only its owner may read and nobody is ever given; ' +
    'the enrolment request goes into KEY.request.json, which is for the administrators (for an administrator or ' +
    'registrar: for init). Run it on the owner’s own machine. A key in a file is for systems and trials.',
  example:
    'amanat keygen --role officer --person p-17 --agency demo-police --line city --out officer.pem',
  options: {
    role: { value: 'ROLE', help: ENROLMENT_ROLES.join(', ') },
    out: { value: 'KEY', help: 'file of the private key' },
    person: { value: 'P', help: 'a name that only the agency can resolve: the log is public' },
    agency: { value: 'A', help: 'the agency, or of an importer the controller' },
    line: { value: 'L', help: 'line of command: an approver must stand in another' },
    kind: { value: 'KIND', help: 'ed25519 (the default) or p256' },
  },
  words: [0, 0],
  async run(call) {
    const role = call.arguments.choice('role', ENROLMENT_ROLES, null);
    const kind = call.arguments.choice('kind', ['ed25519', 'p256'], 'ed25519');
    const path = call.arguments.required('out');
    const named = role !== 'administrator' && role !== 'registrar';
    const member = (name: string) =>
      named ? call.arguments.required(name) : call.arguments.text(name);
    const who = { person: member('person'), agency: member('agency'), line: member('line') };
    for (const [name, value] of Object.entries(who)) {
      if (value !== null && !/^[a-z0-9]+(?:[-_][a-z0-9]+)*$/.test(value)) {
        throw wrongUsage(`--${name} is a lower-case name of letters, digits and hyphens`);
      }
    }
    const requestPath = `${path}.request.json`;
    if (existsSync(requestPath)) throw new CliError('failed', `${requestPath} is there already`);
    const key = generateSigningKey(kind);
    const request: Enrolment = { type: 'enrolment', key: key.public.text, role, ...who };
    writePrivate(path, exportSigningKey(key), { replace: false });
    writePrivate(requestPath, `${JSON.stringify(request, null, 2)}\n`, { replace: false });
    return {
      json: { ...request, id: key.public.id, keyFile: path, requestFile: requestPath },
      lines: [
        `Private key: ${path} (keep it; give it to nobody)`,
        `Enrolment request: ${requestPath} (give it to the administrators)`,
        `Key id, to be compared by voice: ${key.public.id}`,
      ],
    };
  },
};
