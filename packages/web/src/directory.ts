import type { Agency, Contact, Field, Holding, Holdings, Language, Title } from './api.ts';

/** Names and contacts by their ids. What is not listed any more is shown by its id. */
export interface Directory {
  readonly holdings: readonly Holding[];
  readonly upcoming: Holdings['upcoming'];
  holding(id: string): Holding | null;
  holdingTitle(id: string, language: Language): string;
  agencyName(id: string, language: Language): string;
  agencyContact(id: string): Contact | null;
  controllerName(id: string, language: Language): string;
  controllerContact(id: string): Contact | null;
  /** The fields of a holding's groups, by their titles, in declared order. */
  fieldTitles(holding: string, groups: readonly string[], language: Language): readonly string[];
}

/** Looks names up in what the API lists. */
export function createDirectory(
  agencies: readonly Agency[],
  { holdings, upcoming }: Holdings,
): Directory {
  const agencyOf = new Map(agencies.map((each) => [each.agency, each]));
  const holdingOf = new Map(holdings.map((each) => [each.holding, each]));
  const controllerOf = new Map(holdings.map(({ controller }) => [controller.id, controller]));
  const named = (title: Title | undefined, id: string, language: Language) =>
    title?.[language] ?? id;
  return {
    holdings,
    upcoming,
    holding: (id) => holdingOf.get(id) ?? null,
    holdingTitle: (id, language) => named(holdingOf.get(id)?.title, id, language),
    agencyName: (id, language) => named(agencyOf.get(id)?.name, id, language),
    agencyContact: (id) => agencyOf.get(id)?.contact ?? null,
    controllerName: (id, language) => named(controllerOf.get(id)?.name, id, language),
    controllerContact: (id) => controllerOf.get(id)?.contact ?? null,
    fieldTitles(id, groups, language) {
      const fields: readonly Field[] = holdingOf.get(id)?.fields ?? [];
      const titles = fields
        .filter((field) => groups.includes(field.group))
        .map((field) => field.title[language]);
      return titles.length > 0 ? titles : groups;
    },
  };
}
