/* SPDX-License-Identifier: MIT */
/* See kernel_port.h. */
#include "launcher/sjupyter/kernel_port.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "launcher/sjupyter/order.h"

static int ask_head(const struct session *session, unsigned *port, struct reason *reason)
{
	json_t *order = json_pack("{s:{}}", "kernels"), *answer = NULL;

	if (!order)
		return reason_set(reason, "%s", strerror(ENOMEM));
	int rc = order_send(session, order, &answer, reason);
	json_int_t number = json_integer_value(json_object_get(answer, "port"));
	json_decref(order);
	json_decref(answer);
	if (rc == 0 && (number < 1 || number > 65535))
		rc = reason_set(reason, "the head has answered without a port");
	if (rc == 0)
		*port = (unsigned) number;
	return rc;
}

int kernel_port_find(const struct target *target, bool is_own, unsigned *port,
		     struct reason *reason)
{
	const struct session *session = target->session;
	unsigned known;

	if (session->url && !strncmp(session->url, "kernel://", strlen("kernel://")))
		known = session->port;
	else if (is_own)
		return reason_set(
			reason,
			"the session of job %s is a server, not a bare kernel: "
			"`sjupyter url %s` shows its URL, --new=python3 starts a kernel "
			"beside it",
			target->job_id, target->job_id);
	else
		known = session->kernels_port;
	if (!known)
		return ask_head(session, port, reason);
	*port = known;
	return 0;
}
