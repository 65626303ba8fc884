import type { Command } from './command.ts';

/** A command as the list of commands knows it: what it is for, and where it is. Loaded only when it is called. */
export interface TableEntry {
  readonly summary: string;
  readonly load: () => Promise<Command>;
}

/** Every command, in the order in which the help lists them. */
export const COMMANDS: ReadonlyMap<string, TableEntry> = new Map<string, TableEntry>([
  [
    'demo',
    {
      summary: 'show it all on synthetic people, in one command',
      load: async () => (await import('./commands/demo.ts')).demo,
    },
  ],
  [
    'init',
    {
      summary: 'make an instance, and pin who may change it',
      load: async () => (await import('./commands/init.ts')).init,
    },
  ],
  [
    'serve',
    {
      summary: 'serve the API, the pages and the log',
      load: async () => (await import('./commands/serve.ts')).serve,
    },
  ],
  [
    'keeper',
    {
      summary: 'run the keeper alone, in a process of its own',
      load: async () => (await import('./commands/keeper.ts')).keeper,
    },
  ],
  [
    'device',
    {
      summary: 'run the process that talks to a device with the root key',
      load: async () => (await import('./commands/device.ts')).device,
    },
  ],
  [
    'ceremony init',
    {
      summary: 'put the root key among custodians, or rehearse that',
      load: async () => (await import('./commands/ceremony-init.ts')).ceremonyInit,
    },
  ],
  [
    'ceremony status',
    {
      summary: 'say what the keeper’s root is, and what is waited for',
      load: async () => (await import('./commands/ceremony-status.ts')).ceremonyStatus,
    },
  ],
  [
    'ceremony unseal',
    {
      summary: 'give custodians’ shares to a locked keeper',
      load: async () => (await import('./commands/ceremony-unseal.ts')).ceremonyUnseal,
    },
  ],
  [
    'ceremony check',
    {
      summary: 'say whether a sheet is right, and give it to nobody',
      load: async () => (await import('./commands/ceremony-check.ts')).ceremonyCheck,
    },
  ],
  [
    'ceremony adopt',
    {
      summary: 'have the keeper adopt a root that is drawn and entered',
      load: async () => (await import('./commands/ceremony-adopt.ts')).ceremonyAdopt,
    },
  ],
  [
    'ceremony rotate',
    {
      summary: 'change the root, or the generation, while serving',
      load: async () => (await import('./commands/ceremony-rotate.ts')).ceremonyRotate,
    },
  ],
  [
    'ceremony recover',
    {
      summary: 'make new shares from enough of the old',
      load: async () => (await import('./commands/ceremony-recover.ts')).ceremonyRecover,
    },
  ],
  [
    'keygen',
    {
      summary: 'draw a signing key on its owner’s own machine',
      load: async () => (await import('./commands/keygen.ts')).keygen,
    },
  ],
  [
    'enrol',
    {
      summary: 'certify an officer’s, approver’s or importer’s key',
      load: async () => (await import('./commands/enrol.ts')).enrol,
    },
  ],
  [
    'revoke',
    {
      summary: 'revoke a key, at once',
      load: async () => (await import('./commands/revoke.ts')).revoke,
    },
  ],
  [
    'agency add',
    {
      summary: 'enter an agency that may ask, and its ceiling',
      load: async () => (await import('./commands/agency-add.ts')).agencyAdd,
    },
  ],
  [
    'holding declare',
    {
      summary: 'declare a holding from its YAML file',
      load: async () => (await import('./commands/holding-declare.ts')).holdingDeclare,
    },
  ],
  [
    'holding list',
    {
      summary: 'list the holdings declared',
      load: async () => (await import('./commands/holding-list.ts')).holdingList,
    },
  ],
  [
    'holding show',
    {
      summary: 'show one holding in words',
      load: async () => (await import('./commands/holding-show.ts')).holdingShow,
    },
  ],
  [
    'grants declare',
    {
      summary: 'put a grants table in force from its YAML file',
      load: async () => (await import('./commands/grants-declare.ts')).grantsDeclare,
    },
  ],
  [
    'grants show',
    {
      summary: 'show the grants table in force',
      load: async () => (await import('./commands/grants-show.ts')).grantsShow,
    },
  ],
  [
    'grants explain',
    {
      summary: 'say what the table would answer, and by which row',
      load: async () => (await import('./commands/grants-explain.ts')).grantsExplain,
    },
  ],
  [
    'witnesses declare',
    {
      summary: 'appoint who has to cosign the log, from a YAML file',
      load: async () => (await import('./commands/witnesses-declare.ts')).witnessesDeclare,
    },
  ],
  [
    'witnesses show',
    {
      summary: 'show who has to cosign the log',
      load: async () => (await import('./commands/witnesses-show.ts')).witnessesShow,
    },
  ],
  [
    'seals declare',
    {
      summary: 'say which look-ups may be withheld until a date, from a YAML file',
      load: async () => (await import('./commands/seals-declare.ts')).sealsDeclare,
    },
  ],
  [
    'seals show',
    {
      summary: 'show what may be withheld, and how much was',
      load: async () => (await import('./commands/seals-show.ts')).sealsShow,
    },
  ],
  [
    'seals extend',
    {
      summary: 'withhold for longer what is sealed, before its date',
      load: async () => (await import('./commands/seals-extend.ts')).sealsExtend,
    },
  ],
  [
    'witnesses break-glass',
    {
      summary: 'have a smaller quorum do for some hours, in public',
      load: async () => (await import('./commands/witnesses-break-glass.ts')).witnessesBreakGlass,
    },
  ],
  [
    'log-key rotate',
    {
      summary: 'have another key sign the log, beside this one for a while',
      load: async () => (await import('./commands/log-key-rotate.ts')).logKeyRotate,
    },
  ],
  [
    'subject protect',
    {
      summary: 'ask a second person for every look-up of somebody, or end that',
      load: async () => (await import('./commands/subject-protect.ts')).subjectProtect,
    },
  ],
  [
    'subject erase',
    {
      summary: 'destroy the key of somebody’s records at one controller',
      load: async () => (await import('./commands/subject-erase.ts')).subjectErase,
    },
  ],
  [
    'expire',
    {
      summary: 'announce that a holding’s month expires early',
      load: async () => (await import('./commands/expire.ts')).expire,
    },
  ],
  [
    'shredded',
    {
      summary: 'list what was destroyed, and save a certificate’s proof',
      load: async () => (await import('./commands/shredded.ts')).shredded,
    },
  ],
  [
    'import',
    {
      summary: 'import files of records under a declared holding',
      load: async () => (await import('./commands/import.ts')).importRecords,
    },
  ],
  [
    'request',
    {
      summary: 'ask for records, signed by an officer',
      load: async () => (await import('./commands/request.ts')).request,
    },
  ],
  [
    'approve',
    {
      summary: 'sign an officer’s request as the second person, and send it',
      load: async () => (await import('./commands/approve.ts')).approve,
    },
  ],
  [
    'person code',
    {
      summary: 'draw a person’s access code, to be handed out once',
      load: async () => (await import('./commands/person-code.ts')).personCode,
    },
  ],
  [
    'history',
    {
      summary: 'show a person her history, and check every proof',
      load: async () => (await import('./commands/history.ts')).history,
    },
  ],
  [
    'verify',
    {
      summary: 'check the whole log, and the store against it',
      load: async () => (await import('./commands/verify.ts')).verify,
    },
  ],
  [
    'verify-proof',
    {
      summary: 'check a saved proof of a history, offline',
      load: async () => (await import('./commands/verify-proof.ts')).verifyProof,
    },
  ],
  [
    'audit',
    {
      summary: 'check a log from outside, with nothing but its key',
      load: async () => (await import('./commands/audit.ts')).audit,
    },
  ],
  [
    'mirror',
    {
      summary: 'keep a verified copy of a log, which anyone may serve',
      load: async () => (await import('./commands/mirror.ts')).mirror,
    },
  ],
  [
    'backup',
    {
      summary: 'back up the store, or the keeper, while they run',
      load: async () => (await import('./commands/backup.ts')).backup,
    },
  ],
  [
    'restore',
    {
      summary: 'put a backup of the store, or of the keeper, back',
      load: async () => (await import('./commands/restore.ts')).restore,
    },
  ],
  [
    'witness init',
    {
      summary: 'make a witness of other people’s logs, and its keys',
      load: async () => (await import('./commands/witness-init.ts')).witnessInit,
    },
  ],
  [
    'witness',
    {
      summary: 'cosign the checkpoints of logs that only grow',
      load: async () => (await import('./commands/witness.ts')).witness,
    },
  ],
  [
    'bench',
    {
      summary: 'measure this machine',
      load: async () => (await import('./commands/bench.ts')).bench,
    },
  ],
]);

/** The list of commands. */
export function overview(): string {
  const names = [...COMMANDS].map(([name, { summary }]) => `  ${name.padEnd(18)} ${summary}`);
  return [
    'Amanat: custody of people’s records under accountability.',
    '',
    'amanat COMMAND [--dir DIR] [--json] [--help]',
    '',
    ...names,
    '',
    'amanat COMMAND --help shows a command’s options and an example.',
    'Identifiers and codes are read from standard input or a file, never from an argument.',
    'Exit: 0 done, 1 refused or failed, 2 wrong usage.',
    '',
  ].join('\n');
}
