/* SPDX-License-Identifier: MIT */
/*
 * `shmbench top`: who holds what, who sleeps for it, and how fast it goes, of a table
 * in use. On a terminal it is drawn anew after each interval; elsewhere it is one
 * snapshot, or --count of them.
 */
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "cli.h"
#include "scenario/units.h"
#include "shmht_clock.h"
#include "top/top.h"

#define NS_PER_MS 1000000ull
#define NS_PER_S 1000000000ull
#define INTERVAL_MIN_NS (10 * NS_PER_MS)
#define INTERVAL_MAX_NS (3600 * NS_PER_S)
#define ROWS_PLAIN 32u
#define NEXT_TABLE_NS NS_PER_S /* how long the next trial of a run may take to have one */

struct request {
	uint64_t pid, fd, count, interval_ns;
	bool screen; /* stdout is a terminal */
};

static volatile sig_atomic_t interrupted;
static bool quit; /* by q */

static void on_signal(int sig)
{
	interrupted = sig;
}

/* ---- terminal ------------------------------------------------------------ */

static struct termios terminal_before;
static bool keys; /* stdin is a terminal, too: q ends it */

static void terminal_begin(const struct request *request)
{
	struct termios now;

	if (!request->screen)
		return;
	fputs("\033[?1049h\033[?25l", stdout);
	keys = isatty(STDIN_FILENO) && tcgetattr(STDIN_FILENO, &terminal_before) == 0;
	if (!keys)
		return;
	now = terminal_before;
	now.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	tcsetattr(STDIN_FILENO, TCSANOW, &now);
}

static void terminal_end(const struct request *request)
{
	if (!request->screen)
		return;
	if (keys)
		tcsetattr(STDIN_FILENO, TCSANOW, &terminal_before);
	fputs("\033[?25h\033[?1049l", stdout);
	fflush(stdout);
}

static uint32_t rows_of(const struct request *request)
{
	struct winsize size = { .ws_row = 24 };

	if (!request->screen)
		return ROWS_PLAIN;
	/* Two headings, blank lines, "and n more": what is left goes to two lists. */
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) || size.ws_row < 14)
		size.ws_row = 14;
	return (size.ws_row - 10u) / 2;
}

/* Until then; false: it is to end. */
static bool nap(uint64_t ns)
{
	uint64_t end = shmht_monotonic_ns() + ns, now;
	struct pollfd in = { .fd = keys ? STDIN_FILENO : -1, .events = POLLIN };
	char key;

	while (!interrupted && (now = shmht_monotonic_ns()) < end) {
		struct timespec left = { .tv_sec = (time_t)((end - now) / NS_PER_S),
					 .tv_nsec = (long)((end - now) % NS_PER_S) };

		if (ppoll(&in, 1, &left, NULL) <= 0)
			continue;
		quit = read(STDIN_FILENO, &key, 1) != 1 || key == 'q' || key == 'Q';
		if (quit)
			return false;
	}
	return !interrupted;
}

/* ---- looking ------------------------------------------------------------- */

static bool alive(const struct request *request)
{
	return kill((pid_t)request->pid, 0) == 0 || errno == EPERM;
}

/* A run gives each trial a table of its own, mostly at the same descriptor. */
static bool follow(struct top *top, const struct request *request)
{
	uint64_t end = shmht_monotonic_ns() + NEXT_TABLE_NS;
	struct shmht *map;

	while (!top_is_there(top)) {
		if (!alive(request) || shmht_monotonic_ns() > end || !nap(20 * NS_PER_MS))
			return false;
		if (table_observe(NULL, request->pid, request->fd, &map))
			continue;
		top_close(top);
		if (!top_open(top, map, (pid_t)request->pid, (int)request->fd))
			return true;
		shmht_detach(map);
		return false;
	}
	return true;
}

static bool look_for(struct top *top, uint64_t interval_ns)
{
	uint64_t looks = interval_ns / (5 * NS_PER_MS);

	looks = looks < top->max_looks ? looks : top->max_looks;
	top_begin(top);
	for (uint64_t i = 0; i < looks; i++) {
		if (!nap(interval_ns / looks))
			return false;
		if (!top_is_there(top))
			return false;
		top_look(top);
	}
	top_end(top);
	return true;
}

static void draw(const struct top *top, const struct request *request, uint64_t nr)
{
	if (request->screen)
		fputs("\033[H", stdout);
	else if (nr)
		fputc('\n', stdout);
	top_show(top, rows_of(request), request->screen ? "\033[K\n" : "\n", stdout);
	if (request->screen)
		fputs("\033[J", stdout);
	fflush(stdout);
}

static int watch(struct top *top, const struct request *request)
{
	uint64_t shown = 0;

	while (shown < request->count && !interrupted && !quit && follow(top, request)) {
		if (!look_for(top, request->interval_ns))
			continue;
		draw(top, request, shown++);
		if (ferror(stdout))
			break; /* whoever read it has left */
	}
	if (interrupted)
		return 128 + interrupted;
	/* Without --count, the end of the table is how it ends. */
	if (quit || shown == request->count || (shown && request->count == UINT64_MAX))
		return EXIT_YES;
	fprintf(stderr, "shmbench top: the table is gone after %llu snapshots\n",
		(unsigned long long)shown);
	return EXIT_NOT_MEASURED;
}

static int top_of(const struct request *request)
{
	struct sigaction action = { .sa_handler = on_signal };
	struct shmht *map;
	struct top top;
	int code = table_observe("top", request->pid, request->fd, &map);

	if (code)
		return code;
	if (top_open(&top, map, (pid_t)request->pid, (int)request->fd)) {
		fprintf(stderr, "shmbench top: no memory for a table with so many users\n");
		shmht_detach(map);
		return EXIT_NOT_MEASURED;
	}
	signal(SIGPIPE, SIG_IGN);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
	terminal_begin(request);
	code = watch(&top, request);
	terminal_end(request);
	top_close(&top);
	return code;
}

/* ---- the command line ---------------------------------------------------- */

static int take_option(int c, const char *value, struct request *request)
{
	static const char form[] = "--%s: found '%s', allowed: %s";
	uint64_t number;

	if (c == 'i') {
		if (units_parse_time(value, &request->interval_ns) ||
		    request->interval_ns < INTERVAL_MIN_NS ||
		    request->interval_ns > INTERVAL_MAX_NS)
			return usage_error(&command_top, form, "interval", value,
					   "a time of 10ms to 1h");
		return 0;
	}
	if (units_parse_count(value, &number) || number > INT32_MAX || (c == 'n' && !number))
		return usage_error(&command_top, form,
				   c == 'p' ? "pid" :
				   c == 'f' ? "fd" :
					      "count",
				   value, c == 'n' ? "a number, 1 or more" : "a number");
	*(c == 'p' ? &request->pid : c == 'f' ? &request->fd : &request->count) = number;
	return 0;
}

static int top(int argc, char **argv)
{
	static const struct option options[] = {
		{ "pid", required_argument, NULL, 'p' },
		{ "fd", required_argument, NULL, 'f' },
		{ "count", required_argument, NULL, 'n' },
		{ "interval", required_argument, NULL, 'i' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	struct request request = { .pid = UINT64_MAX,
				   .fd = UINT64_MAX,
				   .interval_ns = NS_PER_S,
				   .screen = isatty(STDOUT_FILENO) };
	int c, code;

	opterr = 0;
	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (c == 'h') {
			command_help(&command_top, stdout);
			return EXIT_YES;
		}
		if (c == '?')
			return usage_error(&command_top,
					   "option '%s' is unknown or lacks its value",
					   argv[optind - 1]);
		code = take_option(c, optarg, &request);
		if (code)
			return code;
	}
	if (optind < argc)
		return usage_error(&command_top, "found '%s', allowed: options", argv[optind]);
	if (request.pid == UINT64_MAX || request.fd == UINT64_MAX)
		return usage_error(&command_top, "both --pid and --fd are wanted");
	if (!request.count)
		request.count = request.screen ? UINT64_MAX : 1;
	return top_of(&request);
}

const struct command command_top = {
	.name = "top",
	.usage = "--pid P --fd N [--interval T] [--count N]",
	.summary =
		"holders, sleepers, users and rates of a table in use; read-only, without its locks",
	.help = "  --pid P        the process; `shmbench list tables` finds them\n"
		"  --fd N         the table's descriptor in it\n"
		"  --interval T   how long each look lasts; default 1s\n"
		"  --count N      end after so many; default 1 when stdout is no terminal\n"
		"\n"
		"q or Ctrl-C ends it, and so does the end of the process. held%: share of the looks of an\n"
		"interval that found the lock taken; asleep: how many threads slept for it, on average (who\n"
		"spins is not told from who works); delay%: ready, but waiting for a CPU. Rates and\n"
		"percentiles are those of a run of this build of shmbench; \"-\": not known.\n",
	.run = top,
};
