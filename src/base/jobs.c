/* SPDX-License-Identifier: Apache-2.0 */
#include "base/jobs.h"

#include <sys/eventfd.h>

#include "base/mem.h"
#include "base/thread.h"

struct errand {
	struct errand *next;
	void (*run)(void *context);
	void *context;
};

struct errands {
	struct thread thread;
	int wake_fd;

	pthread_mutex_t lock; /* for what follows; never held while an errand runs */
	pthread_cond_t changed;
	struct errand *first, **end;
	size_t left;
	bool is_stopping;
};

/* The next one, waiting for it; NULL when there will be none. */
static struct errand *next_errand(struct errands *errands)
{
	struct errand *errand;

	(void)pthread_mutex_lock(&errands->lock);
	while (!errands->first && !errands->is_stopping)
		(void)pthread_cond_wait(&errands->changed, &errands->lock);
	errand = errands->first;
	if (errand && !(errands->first = errand->next))
		errands->end = &errands->first;
	(void)pthread_mutex_unlock(&errands->lock);
	return errand;
}

static void note_done(struct errands *errands)
{
	bool are_all_done;

	(void)pthread_mutex_lock(&errands->lock);
	are_all_done = --errands->left == 0;
	(void)pthread_mutex_unlock(&errands->lock);
	if (are_all_done && errands->wake_fd >= 0)
		(void)eventfd_write(errands->wake_fd, 1);
}

static void run(void *context)
{
	struct errands *errands = context;
	struct errand *errand;

	while ((errand = next_errand(errands))) {
		errand->run(errand->context);
		free(errand);
		note_done(errands);
	}
}

int errands_start(int wake_fd, struct errands **ret_errands, struct error *err)
{
	struct errands *errands = mem_calloc(1, sizeof *errands);

	errands->wake_fd = wake_fd;
	errands->end = &errands->first;
	(void)pthread_mutex_init(&errands->lock, NULL);
	thread_cond_init(&errands->changed);
	if (thread_start(&errands->thread, "errands", run, errands, err) < 0) {
		errands_stop(errands);
		return -1;
	}
	*ret_errands = errands;
	return 0;
}

struct errands *errands_stop(struct errands *errands)
{
	if (!errands)
		return NULL;
	(void)pthread_mutex_lock(&errands->lock);
	errands->is_stopping = true;
	(void)pthread_cond_signal(&errands->changed);
	(void)pthread_mutex_unlock(&errands->lock);
	thread_join(&errands->thread);
	(void)pthread_cond_destroy(&errands->changed);
	(void)pthread_mutex_destroy(&errands->lock);
	free(errands);
	return NULL;
}

void errands_add(struct errands *errands, void (*run_errand)(void *context), void *context)
{
	struct errand *errand = mem_alloc(sizeof *errand);

	*errand = (struct errand){ .run = run_errand, .context = context };
	(void)pthread_mutex_lock(&errands->lock);
	*errands->end = errand;
	errands->end = &errand->next;
	errands->left++;
	(void)pthread_cond_signal(&errands->changed);
	(void)pthread_mutex_unlock(&errands->lock);
}

size_t errands_left(struct errands *errands)
{
	size_t left;

	(void)pthread_mutex_lock(&errands->lock);
	left = errands->left;
	(void)pthread_mutex_unlock(&errands->lock);
	return left;
}
