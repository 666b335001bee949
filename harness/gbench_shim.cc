// SPDX-License-Identifier: MIT
// The one C++ file: see gbench_shim.h. No exception crosses into C, because
// none of the calls below throws but for want of memory.
#include "gbench_shim.h"

#include <benchmark/benchmark.h>

static benchmark::State *library_state(struct gbench_state *state)
{
	return reinterpret_cast<benchmark::State *>(state);
}

void gbench_register(const char *name, gbench_fn fn, const void *arg)
{
	benchmark::RegisterBenchmark(name, [fn, arg](benchmark::State &state) {
		fn(reinterpret_cast<struct gbench_state *>(&state), arg);
	});
}

bool gbench_next(struct gbench_state *state)
{
	return library_state(state)->KeepRunningBatch(GBENCH_BATCH);
}

void gbench_fail(struct gbench_state *state, const char *why)
{
	library_state(state)->SkipWithError(why);
}

int gbench_run(int argc, char **argv)
{
	benchmark::Initialize(&argc, argv);
	if (benchmark::ReportUnrecognizedArguments(argc, argv))
		return 2;
	benchmark::RunSpecifiedBenchmarks();
	benchmark::Shutdown();
	return 0;
}
