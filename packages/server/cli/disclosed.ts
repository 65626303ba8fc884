import type { Outcome } from './command.ts';
import type { DisclosedRecord, RequestAnswer } from './requests.ts';

/** Values longer than this are images and the like, and are told by their size. */
const SHOWN_CHARS_MAX = 400;

/** What a request gave, in words. The identifiers asked about are not repeated: they are told by their order. */
export function describeAnswer(answer: RequestAnswer): Outcome {
  if (answer.outcome === 'second-person') {
    return {
      json: answer,
      lines: [
        'A second person is needed; nothing was read.',
        `  because  ${answer.reasons.join(', ')}`,
        `  rules    ${answer.rules.join(', ')}`,
        `  request  ${answer.request}`,
      ],
    };
  }
  const lines = answer.results.flatMap((result) => {
    const where = `entry ${result.index} of the log`;
    const head = `Person ${result.selector + 1}, ${result.controller} (${where})`;
    if (result.error !== undefined) return [`${head}: not delivered, ${result.error}`];
    if (result.records.length === 0) return [`${head}: nothing is held`];
    return [head, ...result.records.flatMap(describeRecord)];
  });
  return {
    json: answer,
    lines: [...lines, ...(answer.witnessed ? [] : ['The log is not yet witnessed.'])],
  };
}

function describeRecord({ holding, record, groups, error }: DisclosedRecord): string[] {
  const head = `  ${holding}, record ${record.slice(0, 8)}`;
  if (groups === undefined) return [`${head}: not delivered, ${error ?? 'unknown'}`];
  return [
    head,
    ...groups.flatMap(({ group, fields }) =>
      fields.map(({ name, recorded, normalised }) => {
        const size = Math.floor((recorded.length * 3) / 4);
        if (recorded.length > SHOWN_CHARS_MAX)
          return `    ${group}.${name}: ${size} bytes (--json has them)`;
        const also = normalised === recorded ? '' : `  (${normalised})`;
        return `    ${group}.${name}: ${recorded}${also}`;
      }),
    ),
  ];
}
