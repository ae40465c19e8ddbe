// Compiled, never run: what a client that is generated from the document can rely on.
import type { components, operations, paths } from "./made/api.ts";

type Schemas = components["schemas"];

type BodyOf<Operation> = Operation extends { requestBody: { content: { "application/json": infer Body } } } ? Body : never;

/** Takes exactly what the address takes. `made/pages.ts` calls it with every body that the pages show. */
export declare function send<Path extends keyof paths, Method extends keyof paths[Path]>(
  path: Path,
  method: Method,
  body: BodyOf<paths[Path][Method]>,
): void;

type ProblemOf<Name extends keyof operations> = {
  [Status in keyof operations[Name]["responses"]]: operations[Name]["responses"][Status] extends {
    content: { "application/problem+json": infer Problem };
  }
    ? Problem
    : never;
}[keyof operations[Name]["responses"]];

// A refusal is told by its code, and its details by that.
export function refused(problem: ProblemOf<"mall.placeOrder">): string {
  switch (problem.code) {
    case "price_changed":
      problem.details.quote satisfies Schemas["QuoteView"];
      problem.status satisfies 409;
      return `now ${problem.details.quote.payable_fen} fen, ${problem.details.quote.lines.length} lines`;
    case "out_of_stock":
      return `${problem.details.available satisfies number} left of ${problem.details.sku satisfies string}`;
    case "rate_limited":
      return `wait ${problem.details.retry_after_ms satisfies number} ms`;
    case "outcome_unknown":
    case "busy":
    case "internal_error":
    case "body_too_large":
      return problem.detail;
    case "validation_failed":
      return problem.details.fields.map((fault) => `${fault.field}: ${fault.fault}`).join();
    default:
      // @ts-expect-error: what cannot be answered here cannot be asked for
      return problem.code === "shelf_full" ? "" : problem.detail;
  }
}

if (({} as ProblemOf<"mall.placeOrder">).code === "outcome_unknown") {
  // Every operation may answer it, also one that only reads.
  const code: ProblemOf<"mall.listOrders">["code"] = "outcome_unknown";
  void code;
}

// @ts-expect-error: the code says what the details are
export const wrong: Schemas["VersionConflictProblem"]["details"] = { retry_after_ms: 1 };

// What may be left out of a request may be left out, and what a reply holds is there.
export const quote: Schemas["QuoteCreate"] = { store: "sto", lines: [], fulfilment: { kind: "pickup" } };
export const product: Schemas["ProductCreate"] = { title: "t", skus: [{ title: "s", list_fen: 1 }] };
export const next = (page: Schemas["OrderPage"]): string | null => page.next;

// @ts-expect-error: unknown fields are refused
export const odd: Schemas["QuoteCreate"] = { store: "sto", lines: [], fulfilment: { kind: "pickup" }, room: "rom" };

export type Query = NonNullable<operations["mall.listOrders"]["parameters"]["query"]>;
export const query: Query = { limit: 20, status: "paid" };

// @ts-expect-error: what is not wanted is left out
export const nothing: Query = { status: null };
