/** Elements of the page, and new ones for its pictures. */

const SVG = 'http://www.w3.org/2000/svg';

export function byId<Element extends HTMLElement>(id: string): Element {
  return document.getElementById(id) as Element;
}

export function svg(name: string, attributes: Readonly<Record<string, string | number>>, text?: string): SVGElement {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, String(value));
  if (text !== undefined) element.textContent = text;
  return element;
}
