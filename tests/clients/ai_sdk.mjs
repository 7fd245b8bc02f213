// What people do with the AI SDK, one after the other, each with its result or its error. One process, since
// starting Node and loading the SDK takes longer than all of it. The package and the base are given.
const [name, base] = process.argv.slice(2)
const { createGateway, embedMany, generateObject, generateText, stepCountIs, isStepCount, streamText, tool, jsonSchema } =
  await import(name)
const origin = 'http://localhost:8501'
const lab = createGateway({ baseURL: origin + base })
globalThis.AI_SDK_DEFAULT_PROVIDER = lab
const steps = (stepCountIs ?? isStepCount)(3)
const city = jsonSchema({
  type: 'object', properties: { city: { type: 'string' } }, required: ['city'], additionalProperties: false,
})
const weather = jsonSchema({
  type: 'object', properties: { city: { type: 'string' }, degrees: { type: 'number' } },
  required: ['city', 'degrees'], additionalProperties: false,
})
const tools = {
  weather: tool({
    description: 'The weather in a city', inputSchema: city, execute: async ({ city }) => `sunny in ${city}`,
  }),
}
const prompt = 'Why is the sky blue?'
const pixel =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='

const scenarios = {
  async streamed() {
    const result = streamText({ model: 'lab/fast', prompt })
    const pieces = []
    for await (const piece of result.textStream) pieces.push(piece)
    return {
      pieces, usage: await result.usage, finish: await result.finishReason,
      metadata: await result.providerMetadata, model: (await result.response).modelId,
    }
  },
  async whole() {
    const result = await generateText({ model: 'lab/fast', prompt })
    return { text: result.text, usage: result.usage, metadata: result.providerMetadata }
  },
  async thinking() {
    const result = await generateText({ model: 'lab/thinker', prompt })
    return { text: result.text, reasoning: result.reasoningText }
  },
  async sealed() {
    const first = await generateText({ model: 'lab/native-thinker', prompt })
    const messages = [{ role: 'user', content: prompt }, ...first.response.messages,
                      { role: 'user', content: 'And at dusk?' }]
    const second = await generateText({ model: 'lab/native-thinker', messages })
    return { reasoning: first.reasoningText, text: second.text }
  },
  async tools() {
    const result = await generateText({ model: 'lab/fast', prompt: 'Weather?', tools, stopWhen: steps })
    return { text: result.text, steps: result.steps.length, calls: result.steps[0].toolCalls.map(c => c.input) }
  },
  async streamedTools() {
    const result = streamText({ model: 'lab/native', prompt: 'Weather?', tools, stopWhen: steps })
    const kinds = []
    for await (const part of result.fullStream) kinds.push(part.type)
    return { text: await result.text, kinds: [...new Set(kinds)] }
  },
  async object() {
    return (await generateObject({ model: 'lab/fast', schema: weather, prompt: 'Weather?' })).object
  },
  async image() {
    const content = [{ type: 'text', text: 'What is it?' }, { type: 'image', image: Buffer.from(pixel, 'base64') }]
    return { text: (await generateText({ model: 'lab/fast', messages: [{ role: 'user', content }] })).text }
  },
  async routed() {
    const gateway = { order: ['lab'], tags: ['sdk'], models: ['lab/native'] }
    const result = await generateText({ model: 'lab/busy', prompt, maxRetries: 0, providerOptions: { gateway } })
    return { text: result.text, routing: result.providerMetadata.gateway.routing }
  },
  async embedded() {
    const model = lab.textEmbeddingModel('simulated/embedding')
    const { embeddings, usage } = await embedMany({ model, values: ['blue', 'sky'] })
    return { lengths: embeddings.map(vector => vector.length), usage }
  },
  async models() {
    const { models } = await lab.getAvailableModels()
    return models.find(model => model.id === 'lab/fast')
  },
  async credits() {
    return await lab.getCredits()
  },
  async generation() {
    const result = await generateText({ model: 'lab/fast', prompt })
    const id = result.providerMetadata.gateway.generationId
    return { id, cost: result.providerMetadata.gateway.cost, info: await lab.getGenerationInfo({ id }) }
  },
  async report() {
    const day = new Date().toISOString().slice(0, 10)
    return await lab.getSpendReport({ startDate: day, endDate: day, groupBy: 'model' })
  },
  async retired() {
    return await generateText({ model: 'openai/codex-mini', prompt, maxRetries: 0 })
  },
  async unknown() {
    return await generateText({ model: 'lab/nothing', prompt, maxRetries: 0 })
  },
  async unknownStreamed() {
    let caught
    const result = streamText({ model: 'lab/nothing', prompt, maxRetries: 0, onError: ({ error }) => { caught = error } })
    for await (const _ of result.textStream);
    throw caught
  },
  async limited() {
    return await generateText({ model: 'lab/busy', prompt, maxRetries: 0 })
  },
  async stranger() {
    const stranger = createGateway({ baseURL: origin + base, apiKey: 'ty_' + 'x'.repeat(40) })
    return await generateText({ model: stranger('lab/fast'), prompt, maxRetries: 0 })
  },
  async broke() {
    return await generateText({ model: 'lab/gold', prompt: prompt.repeat(200), maxRetries: 0 })
  },
  async tooMuch() {
    return await generateText({ model: 'lab/fast', prompt, temperature: 99, maxRetries: 0 })
  },
}

const told = {}
for (const [scenario, run] of Object.entries(scenarios)) {
  try {
    told[scenario] = { result: await run() }
  } catch (error) {
    told[scenario] = {
      error: error?.name ?? typeof error, message: String(error?.message ?? error), status: error?.statusCode,
      modelId: error?.modelId, retryable: error?.isRetryable,
    }
  }
}
console.log(JSON.stringify(told))
