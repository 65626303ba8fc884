import type { Declaration } from '@amanat/core/grants';
import { label } from '../../holdings/holdings.ts';
import type { Command } from '../command.ts';
import { fetchDeclaration } from '../holdings.ts';
import { openApi } from '../instance.ts';

/** `amanat holding show`: a declaration in words. */
export const holdingShow: Command = {
  usage: 'HOLDING',
  about:
    'Shows a holding’s declaration in words: what is kept about people, why, who may ask, and for how long.',
  example: 'amanat holding show sim-registrations',
  options: {},
  words: [1, 1],
  async run(call) {
    await using api = await openApi(call);
    const declaration = await fetchDeclaration(api, call.arguments.word(0, 'HOLDING'));
    return { json: { ...declaration }, lines: describe(declaration) };
  },
};

function describe(declaration: Declaration): string[] {
  const { controller, purposes, legalBases, fields, eventDate } = declaration;
  const named = (iris: readonly string[]) => iris.map((iri) => `    ${label(iri, 'en')}  <${iri}>`);
  const groups = [...Map.groupBy(fields, ({ group }) => group)];
  return [
    `${declaration.title.en} (${declaration.holding}, version ${declaration.version})`,
    `  controller  ${controller.name.en} (${controller.id}), ${controller.contact.email}`,
    '  purposes',
    ...named(purposes),
    '  legal bases',
    ...named(legalBases),
    `  recipients  ${declaration.recipients.join(', ') || 'nobody'}`,
    `  kept for    ${declaration.retentionMonths} months from ${eventDate ?? 'the import'}`,
    `  review      ${declaration.reviewDate}`,
    '  fields',
    ...groups.flatMap(([group, members]) => [
      `    ${group}`,
      ...members.map(({ name, title, type, identifier }) => {
        const kind = identifier === null ? type : `${type}, ${identifier} identifier`;
        return `      ${name.padEnd(20)} ${title.en} (${kind})`;
      }),
    ]),
  ];
}
