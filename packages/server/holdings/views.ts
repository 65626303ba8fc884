import type { Declaration, Field } from './declaration.ts';
import type { Language } from './dpv.ts';
import { label } from './dpv.ts';

/** One line of the register: enough to choose a holding by. */
export type HoldingSummary = {
  readonly holding: string;
  readonly version: number;
  readonly title: string;
  readonly controller: string;
  readonly fields: number;
  readonly retentionMonths: number;
  readonly reviewDate: string;
};

/** A holding in words, for its page and for `holding show`. */
export type HoldingView = HoldingSummary & {
  readonly controllerId: string;
  readonly contact: Declaration['controller']['contact'];
  readonly purposes: readonly { readonly iri: string; readonly label: string }[];
  readonly legalBases: readonly { readonly iri: string; readonly label: string }[];
  readonly recipients: readonly string[];
  readonly retentionFrom: string | null;
  readonly groups: readonly {
    readonly group: string;
    readonly fields: readonly {
      readonly name: string;
      readonly title: string;
      readonly type: Field['type'];
      readonly category: string;
      readonly identifier: Field['identifier'];
      readonly required: boolean;
    }[];
  }[];
};

/** Summarises a declaration in one language. */
export function summariseHolding(declaration: Declaration, language: Language): HoldingSummary {
  return {
    holding: declaration.holding,
    version: declaration.version,
    title: declaration.title[language],
    controller: declaration.controller.name[language],
    fields: declaration.fields.length,
    retentionMonths: declaration.retentionMonths,
    reviewDate: declaration.reviewDate,
  };
}

/** Describes a declaration in one language, its fields gathered by group in declared order. */
export function describeHolding(declaration: Declaration, language: Language): HoldingView {
  const named = (iri: string): { readonly iri: string; readonly label: string } => ({
    iri,
    label: label(iri, language),
  });
  const groups = Map.groupBy(declaration.fields, (field) => field.group);
  const from = declaration.fields.find((field) => field.name === declaration.eventDate);
  return {
    ...summariseHolding(declaration, language),
    controllerId: declaration.controller.id,
    contact: declaration.controller.contact,
    purposes: declaration.purposes.map(named),
    legalBases: declaration.legalBases.map(named),
    recipients: declaration.recipients,
    retentionFrom: from?.title[language] ?? null,
    groups: [...groups].map(([group, fields]) => ({
      group,
      fields: fields.map((field) => ({
        name: field.name,
        title: field.title[language],
        type: field.type,
        category: label(field.category, language),
        identifier: field.identifier,
        required: field.required,
      })),
    })),
  };
}
