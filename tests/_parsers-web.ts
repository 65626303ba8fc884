import { readHeld } from '../packages/web/src/person/session.ts';
import { chooseLanguage, pageOf } from '../packages/web/src/route.ts';
import type { FuzzedParser } from './_fuzz.ts';
import { jsonLike, parser, textLike } from './_fuzz.ts';

/** Every parser of packages/web. */
export const webParsers: readonly FuzzedParser[] = [
  parser({
    file: 'packages/web/src/person/session.ts',
    name: 'readHeld',
    inputs: jsonLike({
      subjects: [
        {
          controller: 'demo-telecom',
          held: [{ holding: 'sim-registrations', records: 2, firstImport: 1, until: '2029-01' }],
        },
      ],
    }),
    parse: readHeld,
  }),
  parser({
    file: 'packages/web/src/route.ts',
    name: 'pageOf',
    inputs: textLike('/', '/register', '/log//'),
    parse: pageOf,
  }),
  parser({
    file: 'packages/web/src/route.ts',
    name: 'chooseLanguage',
    inputs: textLike('?lang=ur', '?lang=en&lang=%ff'),
    parse: (search) => chooseLanguage(search, [search]),
  }),
];
