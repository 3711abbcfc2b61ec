// SPDX-License-Identifier: Apache-2.0
// Reads a JSON list of Kubernetes objects and checks each against the schema of its kind in Kubernetes'
// OpenAPI document, as the API server would with strict field validation: fields that the schema does not
// know are refused. Prints the complaints, a line each.
//
//     NODE_PATH=FOLDER/node_modules node check.js < objects.json
"use strict";

const Ajv = require("ajv");
const fs = require("fs");
const path = require("path");

// The packages register their schemas with this one; here they are only collected.
const schemas = new Map();
require.cache[require.resolve("@kubernetes-models/validate")] = {
  exports: { register: (name, schema) => schemas.set(name, schema) },
};

function load(folder) {
  for (const name of fs.readdirSync(folder)) {
    if (name.endsWith(".js")) {
      require(path.join(folder, name)).addSchema();
    }
  }
}

// Objects have the fields that are listed and no others.
function strict(schema) {
  if (Array.isArray(schema)) {
    return schema.map(strict);
  }
  if (schema === null || typeof schema !== "object") {
    return schema;
  }
  const made = {};
  for (const [key, value] of Object.entries(schema)) {
    made[key] = key === "properties"
      ? Object.fromEntries(Object.entries(value).map(([name, each]) => [name, strict(each)]))
      : strict(value);
  }
  if (made.properties && made.additionalProperties === undefined) {
    made.additionalProperties = false;
  }
  return made;
}

for (const name of ["kubernetes-models", "@kubernetes-models/apimachinery"]) {
  load(path.join(path.dirname(require.resolve(`${name}/package.json`)), "_schemas"));
}
// The packages leave out all descriptions, and with them this field.
schemas.get("io.k8s.api.scheduling.v1.PriorityClass").properties.description = { type: "string" };

const ajv = new Ajv({ allErrors: true, strictTypes: false, strict: false, validateFormats: false });
const kinds = new Map();
for (const [name, schema] of schemas) {
  ajv.addSchema({ $id: name, ...strict(schema) });
  const { apiVersion, kind } = schema.properties || {};
  if (apiVersion && apiVersion.enum && kind && kind.enum) {
    kinds.set(`${apiVersion.enum[0]} ${kind.enum[0]}`, name);
  }
}

const complaints = [];
for (const object of JSON.parse(fs.readFileSync(0, "utf8"))) {
  const what = `${object.apiVersion} ${object.kind}`;
  const validate = kinds.has(what) && ajv.getSchema(kinds.get(what));
  if (!validate) {
    complaints.push(`${what}: no such kind`);
  } else if (!validate(object)) {
    for (const error of validate.errors) {
      complaints.push(`${object.kind}${error.instancePath}: ${error.message} ${JSON.stringify(error.params)}`);
    }
  }
}
process.stdout.write(complaints.map((each) => `${each}\n`).join(""));
