/* SPDX-License-Identifier: MIT */
/*
 * Tests of the control plane's frame parsers.  Run by `make check` as any user.
 */
#include "launcher/control/frame.h"
#include "tap.h"

#define HEAD_KEY   "0123456789abcdefghijklmnopqrstuvwxyzABCD"
#define AGENT_KEY  ".-:+=^!/*?&<>()[]{}@%$#EFGHIJKLMNOPQRSTU"
#define CREDENTIAL "MUNGE:AwQFAAD+/=:"

static const struct frame_claim good = {.job_id = "4711",
					.rank = 3,
					.node = "n4.example",
					.head_key = HEAD_KEY,
					.agent_key = AGENT_KEY,
					.nonce = "0123456789abcdef"};

static void test_kind(void)
{
	static const struct {
		const char *type;
		enum frame_kind kind;
	} cases[] = {
		{"control.hello", FRAME_HELLO},
		{"control.welcome", FRAME_WELCOME},
		{"control.reject", FRAME_REJECT},
		{"control.retry", FRAME_RETRY},
		{"control.ping", FRAME_PING},
		{"control.pong", FRAME_PONG},
		{"control.", FRAME_MALFORMED},
		{"control.hello2", FRAME_MALFORMED},
		{"control.HELLO", FRAME_MALFORMED},
		{"control", FRAME_MESSAGE},
		{"Control.hello", FRAME_MESSAGE},
		{"status", FRAME_MESSAGE},
		{"a", FRAME_MESSAGE},
		{"", FRAME_MALFORMED},
		{"-a", FRAME_MALFORMED},
		{".a", FRAME_MALFORMED},
		{"a b", FRAME_MALFORMED},
		{"a\n", FRAME_MALFORMED},
		{"\303\244", FRAME_MALFORMED},
		{"1234567890123456789012345678901", FRAME_MESSAGE},
		{"12345678901234567890123456789012", FRAME_MALFORMED},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		is_int(frame_kind(cases[i].type, strlen(cases[i].type)), cases[i].kind,
		       "the type of case %zu", i);
	is_int(frame_kind("status\0x", 8), FRAME_MALFORMED, "a NUL inside");
	is_int(frame_kind("status\0", 7), FRAME_MALFORMED, "a NUL at the end");
	is_int(frame_kind(NULL, 0), FRAME_MALFORMED, "nothing");
	for (int kind = FRAME_HELLO; kind <= FRAME_PONG; kind++)
		is_int(frame_kind(frame_type(kind), strlen(frame_type(kind))), kind,
		       "%s is itself", frame_type(kind));
	is_int(frame_message_check("status", CONTROL_PAYLOAD_MAX), 0, "a message to send");
	fails_with(frame_message_check("status", CONTROL_PAYLOAD_MAX + 1), EMSGSIZE,
		   "too large");
	fails_with(frame_message_check("control.ping", 0), EINVAL, "the protocol's own");
}

static void test_claim(void)
{
	struct frame_claim claim;
	char text[FRAME_CLAIM_MAX];
	int size = frame_claim_format(&good, text);

	is_str(text,
	       "spank-jupyter control 1\njob 4711\nrank 3\nnode n4.example\nhead " HEAD_KEY
	       "\nagent " AGENT_KEY "\nnonce 0123456789abcdef\n",
	       "a claim's text");
	is_int(size, (int) strlen(text), "and its size");

	claim = good;
	memset(claim.node, 'n', CONTROL_NODE_MAX - 1);
	snprintf(claim.job_id, sizeof(claim.job_id), "%s", "4294967295");
	claim.rank = FRAME_RANK_MAX - 1;
	size = frame_claim_format(&claim, text);
	ok(size > 0 && size < FRAME_CLAIM_MAX && text[size] == '\0', "the longest fits: %d",
	   size);

#define refuses(field, value, what)                                                            \
	do {                                                                                   \
		claim = good;                                                                  \
		snprintf(claim.field, sizeof(claim.field), "%s", value);                       \
		fails_with(frame_claim_format(&claim, text), EINVAL, what);                    \
	} while (0)
	refuses(job_id, "", "no job");
	refuses(job_id, "4711_1", "a job that is no number");
	refuses(node, "", "no node");
	refuses(node, "n 4", "a node with a space");
	refuses(node, "n4\nhead x", "a node with a newline");
	refuses(head_key, "", "no key");
	refuses(head_key, "0123456789abcdefghijklmnopqrstuvwxyzABC", "a short key");
	refuses(agent_key, "0123456789abcdefghijklmnopqrstuvwxyzAB \n",
		"a key that is not Z85");
	refuses(nonce, "0123456789abcde", "a short nonce");
	refuses(nonce, "0123456789ABCDEF", "a nonce in capitals");
	claim = good;
	claim.rank = FRAME_RANK_MAX;
	fails_with(frame_claim_format(&claim, text), EINVAL, "a rank too high");
}

static int parse(const char *payload, struct frame_hello *hello, struct reason *reason)
{
	/* On the heap, so that reading past the end is seen. */
	size_t size = strlen(payload);
	char *copy = malloc(size ? size : 1);
	int rc, saved;

	memcpy(copy, payload, size);
	rc = frame_hello_parse(copy, size, hello, reason);
	saved = errno;
	free(copy);
	errno = saved;
	return rc;
}

/* The good hello with one piece of it replaced. */
static const char *with(const char *old, const char *new)
{
	static char payload[2 * FRAME_CREDENTIAL_MAX];
	char text[FRAME_CLAIM_MAX], all[FRAME_CLAIM_MAX + 64], *at;

	frame_claim_format(&good, text);
	snprintf(all, sizeof(all), "%s\n" CREDENTIAL, text);
	at = strstr(all, old);
	snprintf(payload, sizeof(payload), "%.*s%s%s", (int) (at - all), all, new,
		 at + strlen(old));
	return payload;
}

static void test_hello(void)
{
	static const struct {
		const char *old, *new;
	} bad[] = {
		{"spank-jupyter control", "spank-jupyter  control"},
		{"control 1\n", "control 1\r\n"},
		{"control 1\n", "control one\n"},
		{"control 1\n", "control 01\n"},
		{"control 1\n", "control 1"},
		{"job 4711\n", ""},
		{"job 4711\n", "job 4711\njob 4711\n"},
		{"job 4711", "job  4711"},
		{"job 4711", "job -1"},
		{"job 4711", "job 999999999999"},
		{"job 4711", "jobs 4711"},
		{"rank 3", "rank 03"},
		{"rank 3", "rank +3"},
		{"rank 3", "rank 1048576"},
		{"rank 3", "rank 99999999999999999999999"},
		{"rank 3", "rank "},
		{"node n4.example", "node "},
		{"node n4.example", "node -n4"},
		{"node n4.example", "node n4/../x"},
		{"node n4.example\n", "node n4.example\nmore x\n"},
		{"head 0", "head ~"},
		{"head 0", "head "},
		{"head 0", "head 00"},
		{"nonce 0", "nonce g"},
		{"nonce 0", "nonce "},
		{"\n\nMUNGE", "\nMUNGE"},
		{"\n\nMUNGE", "\n\n\nMUNGE"},
		{CREDENTIAL, ""},
		{CREDENTIAL, "MUNGE: x"},
		{CREDENTIAL, CREDENTIAL "\n"},
		{CREDENTIAL, "\303\244"},
	};
	struct frame_hello hello;
	struct reason reason = {.text = ""};
	char long_credential[FRAME_CREDENTIAL_MAX + 1], text[FRAME_CLAIM_MAX];

	is_int(parse(with("job", "job"), &hello, &reason), 0, "a hello: %s", reason.text);
	is_int(hello.claim.rank, 3, "its rank");
	is_str(hello.claim.job_id, good.job_id, "its job");
	is_str(hello.claim.node, good.node, "its node");
	is_str(hello.claim.head_key, good.head_key, "the head's key");
	is_str(hello.claim.agent_key, good.agent_key, "the agent's key");
	is_str(hello.claim.nonce, good.nonce, "its nonce");
	is_str(hello.credential, CREDENTIAL, "its credential");
	frame_claim_format(&good, text);
	is_str(hello.text, text, "what is to be signed");

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct frame_hello untouched = {.credential = "untouched"};

		/* "control 01" is version 1 with a zero too many: the claim is not canonical.
		 */
		fails_with(parse(with(bad[i].old, bad[i].new), &untouched, &reason), EPROTO,
			   "malformed hello %zu", i);
		is_str(untouched.credential, "untouched", "leaves the output alone");
	}
	fails_with(parse(with("control 1", "control 2"), &hello, &reason), ENOTSUP,
		   "another version");
	ok(strstr(reason.text, "version 2"), "which is named: %s", reason.text);
	fails_with(parse("spank-jupyter control 9\nwhatever else", &hello, &reason), ENOTSUP,
		   "whatever follows it");
	fails_with(parse("", &hello, &reason), EPROTO, "nothing");
	fails_with(frame_hello_parse(NULL, 0, &hello, &reason), EPROTO, "nothing at all");

	memset(long_credential, 'A', sizeof(long_credential));
	long_credential[FRAME_CREDENTIAL_MAX - 1] = '\0';
	is_int(parse(with(CREDENTIAL, long_credential), &hello, &reason), 0,
	       "the longest credential");
	memset(long_credential, 'A', sizeof(long_credential));
	long_credential[FRAME_CREDENTIAL_MAX] = '\0';
	fails_with(parse(with(CREDENTIAL, long_credential), &hello, &reason), EPROTO,
		   "one byte more");

	/* Every piece that is cut off, and every byte that is another. */
	for (size_t size = 0; size < strlen(text); size++) {
		char cut[FRAME_CLAIM_MAX];

		memcpy(cut, text, size);
		cut[size] = '\0';
		if (parse(cut, &hello, &reason) == 0)
			ok(false, "cut at %zu it is refused", size);
	}
	ok(true, "no piece of a claim is a hello");
}

static void test_answer(void)
{
	char nonce[FRAME_NONCE_MAX];
	char big[FRAME_NONCE_MAX + REASON_MAX];
	struct reason words;

	is_int(frame_answer_parse("0123456789abcdef", 16, nonce, &words), 0, "a welcome");
	is_str(nonce, "0123456789abcdef", "its nonce");
	is_str(words.text, "", "no words");
	is_int(frame_answer_parse("0123456789abcdef no", 19, nonce, &words), 0, "a rejection");
	is_str(words.text, "no", "its words");
	is_int(frame_answer_parse("0123456789abcdef \033[2J", 21, nonce, &words), 0,
	       "an attack");
	is_str(words.text, "\\x1b[2J", "its words are harmless");
	fails_with(frame_answer_parse("0123456789abcde", 15, nonce, &words), EPROTO, "short");
	fails_with(frame_answer_parse("0123456789abcdefno", 18, nonce, &words), EPROTO,
		   "no space");
	fails_with(frame_answer_parse("0123456789abcdeg no", 19, nonce, &words), EPROTO,
		   "no nonce");
	fails_with(frame_answer_parse("0123456789abcdef n\0o", 20, nonce, &words), EPROTO,
		   "a NUL");
	fails_with(frame_answer_parse(NULL, 0, nonce, &words), EPROTO, "nothing");
	memset(big, 'x', sizeof(big));
	memcpy(big, "0123456789abcdef ", FRAME_NONCE_MAX);
	is_int(frame_answer_parse(big, sizeof(big) - 1, nonce, &words), 0, "the longest words");
	fails_with(frame_answer_parse(big, sizeof(big), nonce, &words), EPROTO,
		   "one byte more");
}

int main(void)
{
	test_kind();
	test_claim();
	test_hello();
	test_answer();
	return done_testing();
}
