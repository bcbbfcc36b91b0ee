/** What TypeScript sources import. */

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { root } from './static-server.ts';

export interface Import {
  /** Path of the importing file from the repository's root, with '/'. */
  readonly from: string;
  /** Path of the imported file, or the name of a package. */
  readonly to: string;
  /** Whether nothing is left of it in JavaScript. */
  readonly typeOnly: boolean;
}

/** Each import and re-export of a file: statements, `import()` of a literal, `typeof import()`. */
export function importsOf(from: string): readonly Import[] {
  const source = ts.createSourceFile(from, readFileSync(join(root, from), 'utf8'), ts.ScriptTarget.Latest, false);
  const found: Import[] = [];
  const add = (node: ts.Node | undefined, typeOnly: boolean): void => {
    if (node === undefined || !ts.isStringLiteralLike(node)) return;
    const to = node.text.startsWith('.') ? join(from, '..', node.text).replaceAll('\\', '/') : node.text;
    found.push({ from, to, typeOnly });
  };
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node))
      add(node.moduleSpecifier, node.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword);
    else if (ts.isExportDeclaration(node)) add(node.moduleSpecifier, node.isTypeOnly);
    else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) add(node.argument.literal, true);
    else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword)
      add(node.arguments[0], false);
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

/** Paths of the TypeScript files below some folders of the repository. */
export function sourcesBelow(...folders: readonly string[]): readonly string[] {
  return folders.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true })
      .map((path) => `${folder}/${String(path).replaceAll('\\', '/')}`)
      .filter((path) => path.endsWith('.ts')),
  );
}
