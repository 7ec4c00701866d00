/* SPDX-License-Identifier: MIT */
/*
 * Carrying bytes between a plain and an encrypted socket: see link.h.  Called by
 * peer.c, tunnel_client.c and the event loop, as the user.
 *
 * Both sockets are watched edge-triggered.  What a socket would not take stays with its
 * direction, and nothing more is read for it until that has gone: that is the backpressure.
 * What is carried in one go lies in a buffer that all links share, and is sealed and opened
 * where it lies, so that a link at rest has its sockets and keys and nothing else.
 */
#include "launcher/tunnel/link.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "common/fd.h"
#include "launcher/tcp.h"

enum {
	/* The buffer: what is read from the encrypted socket at once.  Of a frame that is not
	 * whole yet the beginning is copied aside and back, at most a quarter of this. */
	BUFFER_ROOM = 4 * STREAM_FRAME_MAX,
	/* Carried in one go before other links get their turn. */
	TURN_BYTES = 1 << 20
};
static const uint32_t WATCHED = EPOLLIN | EPOLLRDHUP | EPOLLET;

struct end {
	int fd;
	struct loop_fd *watch;
	uint32_t events; /* asked for */
	bool readable; /* as far as is known: no read has said otherwise since the last edge */
	bool full;     /* a write has said so since the last edge */
	bool closing;  /* no more will come than what can be read now */
};

/* Bytes that wait. */
struct rest {
	uint8_t *bytes; /* NULL when there are none */
	size_t size, at;
};

struct link {
	struct link_shared *shared;
	struct end plain, cipher;
	struct stream in, out;
	struct rest sealed; /* for the encrypted socket */
	struct rest opened; /* for the plain one */
	struct rest held;   /* from the encrypted one, not opened yet */
	bool seal_done;	    /* the last frame has gone */
	bool open_done;	    /* all has come and been handed on */
	bool deaf;	    /* the plain side takes no more: what comes is let go */
	bool is_open;
	struct reason reason; /* why it is over */
	link_callback *ended;
	void *arg;
};

enum outcome {
	CARRIED, /* so far; goes on with the next event */
	FAILED	 /* see reason */
};

int link_shared_init(struct link_shared *shared, struct loop *loop)
{
	*shared = (struct link_shared){
		.loop = loop,
		.buffer = malloc(BUFFER_ROOM),
	};
	return shared->buffer ? 0 : -1;
}

void link_shared_clear(struct link_shared *shared)
{
	int error = errno;

	if (shared->buffer)
		sodium_memzero(shared->buffer, BUFFER_ROOM);
	free(shared->buffer);
	shared->buffer = NULL;
	errno = error;
}

static enum outcome failed(struct link *link, const char *what)
{
	reason_set(&link->reason, "%s: %s", what, strerror(errno));
	return FAILED;
}

/* Rests. */

static void rest_free(struct rest *rest)
{
	if (rest->bytes)
		sodium_memzero(rest->bytes, rest->size);
	free(rest->bytes);
	*rest = (struct rest){.bytes = NULL};
}

static int rest_keep(struct rest *rest, const uint8_t *bytes, size_t size)
{
	if (size == 0)
		return 0;
	rest->bytes = malloc(size);
	if (!rest->bytes)
		return -1;
	memcpy(rest->bytes, bytes, size);
	rest->size = size;
	rest->at = 0;
	return 0;
}

/* Sends what the socket takes.  How much, or -1 with the errno of send. */
static ssize_t end_send(struct end *end, const uint8_t *bytes, size_t size)
{
	size_t at = 0;

	while (at < size && !end->full) {
		ssize_t n = send(end->fd, bytes + at, size - at, MSG_NOSIGNAL);

		if (n > 0)
			at += (size_t) n;
		else if (n < 0 && errno == EAGAIN)
			end->full = true;
		else if (n < 0 && errno != EINTR)
			return -1;
	}
	return (ssize_t) at;
}

static int rest_flush(struct rest *rest, struct end *to)
{
	ssize_t n;

	if (!rest->bytes)
		return 0;
	n = end_send(to, rest->bytes + rest->at, rest->size - rest->at);
	if (n < 0)
		return -1;
	rest->at += (size_t) n;
	if (rest->at == rest->size)
		rest_free(rest);
	return 0;
}

/* Reads what is there, at most size.  -1 with EAGAIN when there is nothing now. */
static ssize_t end_receive(struct end *end, uint8_t *bytes, size_t size)
{
	ssize_t n;

	do {
		n = recv(end->fd, bytes, size, 0);
	} while (n < 0 && errno == EINTR);
	/* All of it was read, and more makes a new edge. */
	if ((n > 0 && (size_t) n < size && !end->closing) || (n < 0 && errno == EAGAIN))
		end->readable = false;
	return n;
}

static void count(struct link *link, uint64_t *bytes, size_t size)
{
	*bytes += size;
	link->shared->last_activity_ms = loop_now();
}

/* Makes the loop call again for this socket, after the others. */
static enum outcome yield_turn(struct link *link, struct end *end)
{
	if (loop_fd_events(end->watch, end->events) < 0)
		return failed(link, "event loop");
	return CARRIED;
}

/* From plain to encrypted. */

/* What is in the buffer, behind the room for its length. */
static enum outcome seal(struct link *link, size_t size, bool last)
{
	struct link_shared *shared = link->shared;
	size_t sealed = stream_out_frame(&link->out, shared->buffer, size, last);
	ssize_t sent;

	if (sealed == 0) {
		reason_set(&link->reason, "the tunnel cannot encrypt");
		return FAILED;
	}
	sent = end_send(&link->cipher, shared->buffer, sealed);
	if (sent < 0)
		return failed(link, "the tunnel's connection");
	count(link, &shared->bytes_sealed, size);
	if (rest_keep(&link->sealed, shared->buffer + sent, sealed - (size_t) sent) < 0)
		return failed(link, "the tunnel");
	return CARRIED;
}

static enum outcome seal_turn(struct link *link)
{
	size_t carried = 0;
	enum outcome outcome = CARRIED;

	if (!link->is_open && !link->sealed.bytes)
		return CARRIED;
	while (outcome == CARRIED && !link->seal_done) {
		if (rest_flush(&link->sealed, &link->cipher) < 0)
			return failed(link, "the tunnel's connection");
		if (link->sealed.bytes || !link->is_open)
			break;
		if (link->out.ended) {
			shutdown(link->cipher.fd, SHUT_WR);
			link->seal_done = true;
			break;
		}
		if (!link->plain.readable)
			break;
		if (carried >= TURN_BYTES)
			return yield_turn(link, &link->plain);
		ssize_t n = end_receive(&link->plain, link->shared->buffer + STREAM_LENGTH_SIZE,
					STREAM_PLAIN_MAX);
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0)
			return failed(link, "the socket that the tunnel leads to");
		carried += (size_t) n;
		outcome = seal(link, (size_t) n, n == 0);
	}
	return outcome;
}

/* From encrypted to plain. */

/* The plain side takes no more. */
static void become_deaf(struct link *link)
{
	link->deaf = true;
	rest_free(&link->opened);
}

static enum outcome hand_on(struct link *link, const uint8_t *plain, size_t size)
{
	ssize_t sent;

	count(link, &link->shared->bytes_opened, size);
	if (link->deaf)
		return CARRIED;
	sent = end_send(&link->plain, plain, size);
	if (sent < 0)
		become_deaf(link);
	else if (rest_keep(&link->opened, plain + sent, size - (size_t) sent) < 0)
		return failed(link, "the tunnel");
	return CARRIED;
}

/* The server's first frame is empty, or says why not. */
static enum outcome take_word(struct link *link, const uint8_t *word, size_t size)
{
	char text[TUNNEL_REFUSAL_MAX];

	if (size == 0 && !link->in.ended) {
		link->is_open = true;
		return CARRIED;
	}
	if (size >= sizeof(text))
		size = sizeof(text) - 1;
	memcpy(text, word, size);
	text[size] = '\0';
	reason_set(&link->reason, "%s", size > 0 ? text : "refused by the head");
	errno = ECONNREFUSED;
	return FAILED;
}

/* Opens what is whole of size bytes in the shared buffer, until the plain side is full.  *at is
 * how far it came. */
static enum outcome open_frames(struct link *link, size_t size, size_t *at)
{
	struct link_shared *shared = link->shared;
	enum outcome outcome = CARRIED;
	ssize_t taken;

	while (outcome == CARRIED && !link->opened.bytes && *at < size) {
		uint8_t *plain;
		size_t plain_size;

		taken = stream_in_take(&link->in, shared->buffer + *at, size - *at, &plain,
				       &plain_size);
		if (taken < 0)
			return failed(link, "the tunnel's connection was tampered with");
		if (taken == 0)
			break;
		*at += (size_t) taken;
		outcome = link->is_open ? hand_on(link, plain, plain_size)
					: take_word(link, plain, plain_size);
	}
	return outcome;
}

/* More bytes behind the size that are in the shared buffer.  Whether there are any. */
static bool read_more(struct link *link, size_t *size, enum outcome *outcome)
{
	ssize_t n;

	if (!link->cipher.readable)
		return false;
	n = end_receive(&link->cipher, link->shared->buffer + *size, BUFFER_ROOM - *size);
	if (n > 0) {
		*size += (size_t) n;
		return true;
	}
	if (n == 0) {
		reason_set(&link->reason, "the tunnel's connection was cut off");
		*outcome = FAILED;
	} else if (errno != EAGAIN) {
		*outcome = failed(link, "the tunnel's connection");
	}
	return false;
}

/* With the bytes that were held in the shared buffer. */
static enum outcome open_all(struct link *link, size_t *size)
{
	uint8_t *bytes = link->shared->buffer;
	size_t carried = 0;
	enum outcome outcome;

	for (;;) {
		size_t at = 0;

		outcome = open_frames(link, *size, &at);
		carried += at;
		*size -= at;
		memmove(bytes, bytes + at, *size);
		if (outcome != CARRIED || link->opened.bytes || link->in.ended)
			return outcome;
		if (carried >= TURN_BYTES)
			return yield_turn(link, &link->cipher);
		if (!read_more(link, size, &outcome))
			return outcome;
	}
}

static enum outcome open_turn(struct link *link)
{
	size_t size = link->held.size;
	enum outcome outcome;

	if (link->open_done)
		return CARRIED;
	if (rest_flush(&link->opened, &link->plain) < 0)
		become_deaf(link);
	if (link->opened.bytes)
		return CARRIED;
	if (size > 0)
		memcpy(link->shared->buffer, link->held.bytes, size);
	rest_free(&link->held);
	outcome = open_all(link, &size);
	if (outcome != CARRIED)
		return outcome;
	if (link->in.ended && size > 0) {
		errno = EBADMSG;
		return failed(link, "the tunnel's connection was tampered with");
	}
	if (rest_keep(&link->held, link->shared->buffer, size) < 0)
		return failed(link, "the tunnel");
	if (link->in.ended && !link->opened.bytes) {
		if (!link->deaf)
			shutdown(link->plain.fd, SHUT_WR);
		link->open_done = true;
	}
	return CARRIED;
}

/* Events. */

static bool watch(struct end *end, uint32_t events)
{
	if (events == end->events)
		return true;
	end->events = events;
	return loop_fd_events(end->watch, events) == 0;
}

/* While a direction waits for `to` to take more, what else comes from `from` must not wake us.
 */
static bool watch_direction(struct end *from, struct end *to, bool waits)
{
	if (waits)
		return watch(to, to->events | EPOLLOUT) &&
		       watch(from, from->events & ~(uint32_t) EPOLLIN);
	return watch(to, to->events & ~(uint32_t) EPOLLOUT) &&
	       watch(from, from->events | EPOLLIN);
}

static void carry_both(struct link *link)
{
	enum outcome outcome = open_turn(link);

	if (outcome == CARRIED)
		outcome = seal_turn(link);
	if (outcome == CARRIED &&
	    (!watch_direction(&link->plain, &link->cipher, link->sealed.bytes != NULL) ||
	     !watch_direction(&link->cipher, &link->plain, link->opened.bytes != NULL)))
		outcome = failed(link, "event loop");
	if (outcome == FAILED)
		link->ended(&link->reason, link->arg);
	else if (link->seal_done && link->open_done)
		link->ended(NULL, link->arg);
}

static void note_events(struct end *end, uint32_t events)
{
	if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR))
		end->full = false;
	if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		end->readable = true;
	if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		end->closing = true;
}

static void handle_plain(uint32_t events, void *arg)
{
	struct link *link = arg;

	note_events(&link->plain, events);
	carry_both(link);
}

static void handle_cipher(uint32_t events, void *arg)
{
	struct link *link = arg;

	note_events(&link->cipher, events);
	carry_both(link);
}

struct link *link_create(struct link_shared *shared, const struct link_options *options)
{
	struct link *link = calloc(1, sizeof(*link));

	if (!link)
		return NULL;
	*link = (struct link){
		.shared = shared,
		.plain = {.fd = options->plain_fd, .events = WATCHED},
		.cipher = {.fd = options->cipher_fd, .events = WATCHED | EPOLLOUT},
		.in = *options->in,
		.out = *options->out,
		.is_open = !options->is_client,
		.ended = options->ended,
		.arg = options->arg,
	};
	if (rest_keep(&link->sealed, options->first, options->first_size) < 0)
		goto error;
	link->plain.watch =
		loop_fd_add(shared->loop, link->plain.fd, WATCHED, handle_plain, link);
	if (!link->plain.watch)
		goto error;
	/* It is writable, so the loop calls for what goes out first. */
	link->cipher.watch = loop_fd_add(shared->loop, link->cipher.fd, link->cipher.events,
					 handle_cipher, link);
	if (!link->cipher.watch)
		goto error;
	return link;
error:
	link->plain.fd = link->cipher.fd = -1;
	link_destroy(link);
	return NULL;
}

bool link_is_open(const struct link *link)
{
	return link->is_open;
}

void link_destroy(struct link *link)
{
	int error = errno;

	if (!link)
		return;
	loop_fd_remove(link->plain.watch);
	loop_fd_remove(link->cipher.watch);
	fd_close(&link->plain.fd);
	/* One that has not come to its end must not look to the peer as if it had; the peer
	 * notices by the missing last frame too. */
	if (link->cipher.fd >= 0 && !(link->seal_done && link->open_done))
		tcp_reset(link->cipher.fd);
	else
		fd_close(&link->cipher.fd);
	rest_free(&link->sealed);
	rest_free(&link->opened);
	rest_free(&link->held);
	stream_clear(&link->in);
	stream_clear(&link->out);
	free(link);
	errno = error;
}
