import type { Decision } from '@amanat/core/grants';
import { SUBJECTS_MAX } from '@amanat/core/grants';
import type { Command } from '../command.ts';
import { wrongUsage } from '../errors.ts';
import { fetchDeclarations, readTerms } from '../holdings.ts';
import { openApi } from '../instance.ts';

/** `amanat grants explain`: what the table would answer. Asks about nobody and enters nothing. */
export const grantsExplain: Command = {
  usage: '--agency A --purpose P --legal-basis B --holding H:group,… [--subjects N]',
  about:
    'Says what the grants table would answer to a request, and by which row, without asking about anybody: allowed, ' +
    'allowed with a second person, or refused and why. Budgets already spent today are not counted.',
  example:
    'amanat grants explain --agency demo-police --purpose CrimeInvestigation \\\n' +
    '  --legal-basis LegalObligation --holding sim-registrations:identity,number',
  options: {
    agency: { value: 'A', help: 'the agency that would ask' },
    purpose: { value: 'P', help: 'its purpose: the IRI, or its last part' },
    'legal-basis': { value: 'B', help: 'its legal basis, likewise' },
    holding: { value: 'H:g,…', help: 'a holding and field groups', many: true },
    subjects: { value: 'N', help: 'how many people it would ask about (1)' },
    protected: { help: 'as if one of them were protected' },
    approved: { help: 'as if a second person had signed' },
  },
  words: [0, 0],
  async run(call) {
    const reads = call.arguments.requiredTexts('holding').map((text) => {
      const [holding = '', groups = ''] = text.split(':');
      if (holding === '' || groups === '') throw wrongUsage('--holding is HOLDING:GROUP,GROUP');
      return { holding, groups: groups.split(',') };
    });
    await using api = await openApi(call);
    const declarations = await fetchDeclarations(api, reads);
    const { body } = await api.post<Decision>('/v1/grants/explain', {
      agency: call.arguments.required('agency'),
      ...readTerms(call.arguments, declarations),
      holdings: reads,
      subjects: call.arguments.integer('subjects', { min: 1, max: SUBJECTS_MAX, otherwise: 1 }),
      protected: call.arguments.flag('protected'),
      approved: call.arguments.flag('approved'),
      time: null,
    });
    return { json: { ...body }, lines: describe(body) };
  },
};

function describe(decision: Decision): string[] {
  switch (decision.outcome) {
    case 'allowed':
      return [`Allowed, by ${decision.rules.join(', ')}.`];
    case 'second-person':
      return [
        `A second person is needed (${decision.reasons.join(', ')}); by ${decision.rules.join(', ')}.`,
      ];
    case 'refused': {
      const rule = decision.rule === null ? '' : `, by row ${decision.rule}`;
      const holding = decision.holding === null ? '' : ` (${decision.holding})`;
      return [`Refused: ${decision.code}${rule}${holding}.`];
    }
  }
}
