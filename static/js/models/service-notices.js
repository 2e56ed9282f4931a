/** What back ends have people know while they work: a better engine is on its way, or why there is none. */

/** The notices in the topic `services`: [{key, service, text}], one for each back end that has one. */
export function serviceNotices(services) {
  return (services?.services ?? []).flatMap(({ name, instances }) => {
    const texts = [...new Set(instances.map(({ notice }) => notice ?? "").filter(Boolean))];
    return texts.length === 0 ? [] : [{ key: `notice of ${name}`, service: name, text: texts.join(" ") }];
  });
}

/** What the offered languages depend on: a back end that failed, recovered or has another engine may offer others. */
export function languagesDependOn(services) {
  return services.services.map(({ name, state, instances }) => `${name} ${state} ${instances.map(({ engine }) => engine ?? "").join(" ")}`).join();
}
