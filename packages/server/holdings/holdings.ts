/** What the other parts, and the commands, need of holdings: declarations as files, and the words for them. */
export type { FieldType } from './declaration.ts';
export { groupNames } from './declaration.ts';
export { label } from './dpv.ts';
export { parseDeclarationFile } from './parse.ts';
export type { ShippedHolding } from './shipped.ts';
export { readShipped, shippedHoldings } from './shipped.ts';
export type { PlainValue } from './yaml.ts';
export { readYaml } from './yaml.ts';
