// The gateway's configuration for the grid: a target for each provider family,
// and routes that let the model's name choose the family.

const PROVIDERS = {
  openai: (place) => ({ base_url: `${place.url}/v1`, api_key: place.key }),
  anthropic: (place) => ({ base_url: place.url, api_key: place.key }),
  gemini: (place) => ({ base_url: place.url, api_key: place.key }),
  bedrock: aws,
  sagemaker: aws,
};

function aws(place) {
  return {
    base_url: place.url,
    region: 'us-east-1',
    aws: { access_key_id: place.awsAccessKeyId, secret_access_key: place.awsSecretAccessKey, ...(place.control && { control_url: place.control }) },
  };
}

/** Targets and routes, in YAML; JSON is YAML. */
export function configuration(matrix, places) {
  const targets = [];
  const routes = [];
  for (const [name, family] of Object.entries(matrix.families)) {
    // One cell must not see what another has done to the health of their target.
    const health = { breaker: { disabled: true }, outlier: { disabled: true } };
    targets.push({ name, provider: family.provider, models: '*', retries: 0, ...health, ...PROVIDERS[name](places[name]) });
    // By its name, so that it is listed, and by a pattern for the names that misbehave.
    for (const model of [family.model, family.routes]) routes.push({ model, targets: [name] });
  }
  for (const [family, models] of Object.entries(matrix.embeddings)) {
    for (const model of models) routes.push({ model, targets: [family] });
  }
  const { model } = matrix.families.anthropic;
  routes.push({ model: 'dropping', targets: [{ name: 'anthropic', model }], drop_unsupported: true });
  return `targets: ${JSON.stringify(targets)}\nroutes: ${JSON.stringify(routes)}\n`;
}
